// Worker: how it starts or does not, that it serves, takes the master's messages, and how it
// leaves. Each lives in a child of its own.
#include "core/process/worker.h"

#include <doctest/doctest.h>
#include <signal.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "tests/unit/process_testing.h"

namespace sluice {
namespace {

using testing::answer_to;
using testing::Child;
using testing::comes_to_say;
using testing::comes_true;
using testing::Descriptor;
using testing::Pair;
using testing::takes_connections;
using testing::TemporaryFolder;

WorkerSetup setup_for(int listener, const std::string& error_log) {
  auto* config = new Config;
  config->listeners.resize(1);
  config->listeners[0].address = sys::local_address(listener);
  WorkerSetup setup;
  setup.number = 3;
  setup.config = ConfigRef(config);
  setup.listeners = {listener};
  setup.worker_connections = 10;
  setup.logs.error.fd = sys::open_for_append(error_log.c_str());
  return setup;
}

int serve(const WorkerSetup& setup) {
  const auto worker = Worker::start(setup);
  return worker.ok() ? worker.value()->run() : start_failure_status(worker.fault());
}

// A worker with a master, which is the test.
class Served {
 public:
  Served() {
    Descriptor listener = testing::listening_socket(testing::loopback());
    address_ = sys::local_address(listener.get());
    Pair pair = testing::unix_pair();
    child_.emplace([&] {
      pair.near.close();
      WorkerSetup setup = setup_for(listener.get(), log());
      setup.control = pair.far.get();
      return serve(setup);
    });
    channel_.emplace(pair.near.release());
  }

  Child& child() { return *child_; }
  ControlChannel& channel() { return *channel_; }
  void end_channel() { channel_.reset(); }
  const Address& address() const { return address_; }
  std::string file(const std::string& name) const { return folder_.file(name); }
  std::string log() const { return file("error.log"); }
  bool serves() const {
    return answer_to(address_, "/").find("HTTP/1.1 426 ") != std::string::npos;
  }
  // Whether the worker acknowledges all that it was sent.
  bool acknowledged() {
    return comes_true([this] {
      while (channel_->next()) continue;
      channel_->flush();
      return channel_->unacknowledged() == 0;
    });
  }

 private:
  TemporaryFolder folder_;
  Address address_;
  std::optional<ControlChannel> channel_;
  std::optional<Child> child_;
};

TEST_CASE("worker: one that cannot start says so, in its log and by its status") {
  const TemporaryFolder folder;
  const Descriptor listener = testing::listening_socket(testing::loopback());
  const int status = testing::run_in_child([&] {
    WorkerSetup setup = setup_for(listener.get(), folder.file("log"));
    setup.listeners = {sys::open_for_append(folder.file("no_socket").c_str())};
    return serve(setup);
  });
  CHECK(sys::exit_status(status) == worker_hopeless);
  CHECK(testing::content_of(folder.file("log")).find(" error worker 3 cannot start: ") !=
        std::string::npos);
}

TEST_CASE("worker: what the machine lacks may come back, a process's own limits do not") {
  for (const int error : {ENOMEM, ENFILE, ENOBUFS, EAGAIN, ENOSPC}) {
    CHECK(start_failure_status({"x", error}) == 1);
  }
  for (const int error : {0, EMFILE, EPERM, EBADF}) {
    CHECK(start_failure_status({"x", error}) == worker_hopeless);
  }
}

TEST_CASE("worker: SIGQUIT lets the last client finish, and takes no other one") {
  Served served;
  CHECK(served.serves());
  const Descriptor client(sys::stream_socket(served.address().family()));
  sys::connect(client.get(), served.address());
  CHECK(served.serves());  // so the client before it was accepted
  served.child().signal(SIGQUIT);
  CHECK(comes_true([&] { return !takes_connections(served.address()); }));
  CHECK(served.child().running());
  testing::send_text(client.get(), "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
  sys::wait_readable(client.get(), testing::patience_ms);
  CHECK(testing::recv_text(client.get()).starts_with("HTTP/1.1 426 "));
  sys::shutdown_write(client.get());
  CHECK(served.child().wait() == 0);
}

TEST_CASE("worker: SIGTERM ends it within a second, whatever its clients do") {
  Served served;
  const Descriptor client(sys::stream_socket(served.address().family()));
  sys::connect(client.get(), served.address());
  CHECK(served.serves());
  testing::send_text(client.get(), "GET / HTT");
  const uint64_t begin_ms = sys::monotonic_ms();
  served.child().signal(SIGTERM);
  CHECK(served.child().wait() == 0);
  CHECK(sys::monotonic_ms() - begin_ms < 3'000);  // of a loaded machine
}

TEST_CASE("worker: it writes to the logs that it was sent last, and acknowledges each message") {
  Served served;
  CHECK(served.serves());
  for (const char* name : {"first", "second"}) {
    const Descriptor log(sys::open_for_append(served.file(name).c_str()));
    REQUIRE(send_logs(served.channel(), LogHandover{{log.get(), false}, {}}).ok());
    CHECK(served.acknowledged());
    served.child().signal(SIGUSR2);
    CHECK(comes_to_say(served.file(name), " notice sessions "));
  }
  REQUIRE(send_ticket_keys(served.channel(), make_ticket_keys()).ok());
  CHECK(served.acknowledged());
  CHECK(testing::content_of(served.log()).find("sessions ") == std::string::npos);
  const std::string first = testing::content_of(served.file("first"));
  CHECK(first.find("sessions ") == first.rfind("sessions "));
}

TEST_CASE("worker: without a master it says so, listens no more and ends when it is empty") {
  Served served;
  CHECK(served.serves());
  served.end_channel();
  CHECK(served.child().wait() == 0);
  CHECK_FALSE(takes_connections(served.address()));
  CHECK(testing::content_of(served.log())
            .find(" error the master is gone: listening no more, serving ") != std::string::npos);
}

TEST_CASE("worker: a message that is none ends it, so that a successor takes its place") {
  Served served;
  CHECK(served.serves());
  const std::string nonsense(sizeof(ControlHeader), 'x');
  testing::send_text(served.channel().fd(), nonsense);
  CHECK(served.child().wait() == 1);
}

}  // namespace
}  // namespace sluice
