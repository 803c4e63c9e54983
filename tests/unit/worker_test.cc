// Worker: how it starts or does not, that it serves, takes the master's messages, and how it
// leaves. Each lives in a child of its own.
#include "core/process/worker.h"

#include <doctest/doctest.h>
#include <signal.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/conf/conf.h"
#include "core/conf/recording.h"
#include "core/process/conf_bundle.h"
#include "core/process/memory_text.h"
#include "core/process/name_bytes.h"
#include "net/connector.h"
#include "tests/conf/memory_inputs.h"
#include "tests/unit/process_testing.h"
#include "tests/unit/worker_testing.h"

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

WorkerSetup setup_for(int listener, const std::string& error_log, const RateLimit& rate = {}) {
  auto* config = new Config;
  config->file = "/x.conf";
  config->worker_connections = 10;
  config->listeners.resize(1);
  config->listeners[0].address = sys::local_address(listener);
  config->listeners[0].handshake_rate = rate;
  config->listeners[0].handshake_queue_time_ms = 1;
  WorkerSetup setup;
  setup.number = 3;
  setup.config = ConfigRef(config);
  setup.sockets = {{ListenerId{0}, 0, listener}};
  setup.logs.error.descriptor.fd = sys::open_for_append(error_log.c_str());
  return setup;
}

int serve(WorkerSetup setup) {
  const auto worker = Worker::start(std::move(setup));
  return worker.ok() ? worker.value()->run() : start_failure_status(worker.fault());
}

Address address_of(const Descriptor& listener) {
  return sys::local_address(listener.get());
}

// A worker with a master, which is the test.
class Served {
 public:
  explicit Served(bool keep_listener = false) {
    ids.listener(address_of(listener_));
    address_ = sys::local_address(listener_.get());
    Pair pair = testing::unix_pair();
    child_.emplace([&] {
      pair.near.close();
      WorkerSetup setup = setup_for(listener_.get(), log());
      setup.control = pair.far.get();
      return serve(std::move(setup));
    });
    channel_.emplace(pair.near.release());
    if (!keep_listener) listener_.close();
  }

  Child& child() { return *child_; }
  ControlChannel& channel() { return *channel_; }
  void end_channel() { channel_.reset(); }
  const Address& address() const { return address_; }
  // The test's copy of the worker's listener.
  const Descriptor& listener() const { return listener_; }
  void close_listener() { listener_.close(); }
  ConfIds ids;  // of its confs
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
  Descriptor listener_ = testing::listening_socket(testing::loopback());
  Address address_;
  std::optional<ControlChannel> channel_;
  std::optional<Child> child_;
};

TEST_CASE("worker: one that cannot start says so, in its log and by its status") {
  const TemporaryFolder folder;
  const Descriptor listener = testing::listening_socket(testing::loopback());
  const int status = testing::run_in_child([&] {
    WorkerSetup setup = setup_for(listener.get(), folder.file("log"));
    setup.sockets[0].fd = sys::open_for_append(folder.file("no_socket").c_str());
    return serve(setup);
  });
  CHECK(sys::exit_status(status) == worker_hopeless);
  CHECK(testing::content_of(folder.file("log")).find(" error worker 3 cannot start: ") !=
        std::string::npos);
}

TEST_CASE("worker: clients beyond handshake_rate are told when to come again, and counted") {
  const TemporaryFolder folder;
  const std::string log = folder.file("log");
  const Descriptor listener = testing::listening_socket(testing::loopback());
  const Child child([&] { return serve(setup_for(listener.get(), log, {1, 2})); });
  const Address address = address_of(listener);
  CHECK(answer_to(address, "/").starts_with("HTTP/1.1 426 "));
  std::string refused;
  CHECK(comes_true([&] {
    refused = answer_to(address, "/");
    return refused.starts_with("HTTP/1.1 503 ");
  }));
  CHECK(refused.find("\r\nRetry-After: ") != std::string::npos);
  const std::string where = "listen " + address.text() + ": ";
  CHECK(comes_to_say(log, " notice " + where + "handshake_rate 1/s burst=2 reached: accepting "));
  CHECK(comes_to_say(log, " warn " + where +
                              "clients waited for handshake_rate 1/s burst=2 as "
                              "long as handshake_queue_time 1ms: those who wait are told 503; "));
  child.signal(SIGUSR2);
  CHECK(comes_to_say(log, ", handshake_rate pauses "));
  const std::string said = testing::content_of(log);
  CHECK(said.find(", handshake_rate pauses 0,") == std::string::npos);
  CHECK(said.find(", handshake_rate refused 0,") == std::string::npos);
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
    REQUIRE(send_logs(served.channel(), LogHandover{{{log.get(), false}}, {}}).ok());
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

// What a master hands its workers: a conf with these listeners.
struct NextConf {
  // `sockets` are those of the listeners that the worker is to have.
  NextConf(ConfIds& ids, const std::vector<const Descriptor*>& listeners,
           const std::vector<const Descriptor*>& sockets, const std::string& more = "",
           const std::string& server = "ws://127.0.0.1:1/") {
    testing::MemoryInputs machine;
    machine.hosts["up.example"] = {Address::parse("127.0.0.9:1").value()};
    std::string& text = machine.files["/x.conf"];
    text = more;
    for (const Descriptor* each : listeners) text += "listen " + address_of(*each).text() + "\n";
    text += "route /\nproxy_pass " + server + "\n";
    RecordingInputs inputs(machine, 1 << 20);
    ConfOptions options;
    options.ids = &ids;
    const ConfOutcome outcome = load_conf("/x.conf", options, inputs);
    for (const ConfError& error : outcome.errors) FAIL_CHECK(error.text());
    REQUIRE(outcome.config != nullptr);
    for (const Descriptor* each : sockets) {
      passed.push_back({ids.listener(address_of(*each)), 3, each->get()});
    }
    Result<ConfBundle> made = ConfBundle::make(ids, inputs.bytes());
    REQUIRE(made.ok());
    bundle.emplace(std::move(made.value()));
  }
  // To worker 3 of so many.
  void send(ControlChannel& channel, uint32_t generation, uint32_t workers) const {
    REQUIRE(
        send_conf(channel, {generation, workers, 64 << 20}, passed, bundle->fd(), bundle->bytes())
            .ok());
  }

  std::vector<WorkerSocket> passed;
  std::optional<ConfBundle> bundle;
};

bool serves_at(const Address& address) {
  return answer_to(address, "/").find("HTTP/1.1 426 ") != std::string::npos;
}

TEST_CASE("worker: a new conf takes over while it serves, listener by listener") {
  Served served(true);
  CHECK(served.serves());
  const Descriptor second = testing::listening_socket(testing::loopback());
  const NextConf both(served.ids, {&served.listener(), &second}, {&served.listener(), &second},
                      "error_log stderr debug\n");
  both.send(served.channel(), 2, 4);
  CHECK(served.acknowledged());
  CHECK(serves_at(address_of(second)));
  CHECK(served.serves());
  const NextConf one(served.ids, {&second}, {&second});
  served.close_listener();  // the master's copy
  one.send(served.channel(), 3, 4);
  CHECK(served.acknowledged());
  CHECK(serves_at(address_of(second)));
  CHECK_FALSE(takes_connections(served.address()));
  CHECK(comes_true([&served] {  // no session holds the older ones
    served.child().signal(SIGUSR2);
    return testing::content_of(served.log()).find(", confs 1, ") != std::string::npos;
  }));
}

TEST_CASE("worker: a conf that it cannot use is refused, and the old one stays") {
  Served served(true);
  CHECK(served.serves());
  NextConf conf(served.ids, {&served.listener()}, {&served.listener()});
  Result<ConfBundle> nonsense = ConfBundle::make(served.ids, "nonsense");
  REQUIRE(nonsense.ok());
  conf.bundle.emplace(std::move(nonsense.value()));
  conf.send(served.channel(), 2, 4);
  // The receipt goes before the line.
  CHECK(comes_to_say(served.log(), "worker 3 keeps the old conf, and tries the new one again: "));
  while (served.channel().next()) continue;
  CHECK(served.channel().unacknowledged() == 1);
  CHECK(served.serves());
}

TEST_CASE("worker: one that no conf needs ends with its last session, unless it is recalled") {
  Served served(true);
  const Descriptor client(start_connect(served.address()).value());
  CHECK(served.serves());  // and so has accepted that client
  const NextConf conf(served.ids, {&served.listener()}, {&served.listener()});
  const NextConf none(served.ids, {&served.listener()}, {});
  none.send(served.channel(), 2, 3);
  CHECK(served.acknowledged());
  CHECK(takes_connections(served.address()));  // the socket is another worker's
  CHECK(served.child().running());
  conf.send(served.channel(), 3, 4);
  CHECK(served.acknowledged());
  CHECK(served.serves());
  none.send(served.channel(), 4, 3);
  CHECK(served.acknowledged());
  CHECK(served.child().running());
  sys::shutdown_write(client.get());
  CHECK(served.child().wait() == 0);
}

// Where a server's name leads may be told before the conf that has it is in use, and again later.
TEST_CASE("worker: new sessions go where a server's name leads") {
  Served served(true);
  CHECK(served.serves());
  const testing::TestUpstream first;
  const testing::TestUpstream second;
  const std::string name = "ws://up.example:9";
  const NextConf conf(served.ids, {&served.listener()}, {&served.listener()}, "", name);
  const UpstreamId upstream = *served.ids.known_upstream(name);
  uint32_t number = 100;
  const auto lead_to = [&](uint32_t generation, const testing::TestUpstream& to) {
    const NameTargets targets = {{sys::local_address(to.listener()), 0, 0}};
    const Members members{generation, {{upstream, 0, targets, {PeerId{number++}}}}};
    const Result<MemoryText> text = MemoryText::make(bytes_of(members));
    REQUIRE(text.ok());
    REQUIRE(send_members(served.channel(), {text.value().fd(), text.value().bytes()}).ok());
    CHECK(served.acknowledged());
  };
  const auto comes_to = [&](const testing::TestUpstream& to) {
    const Descriptor client(start_connect(served.address()).value());
    comes_true([&] { return sys::writable_now(client.get()); });
    testing::send_text(client.get(),
                       "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\n"
                       "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n");
    const Descriptor connection = to.accept();
    return connection.get() >= 0;
  };
  lead_to(2, first);
  conf.send(served.channel(), 2, 4);
  CHECK(served.acknowledged());
  CHECK(comes_to(first));
  lead_to(2, second);
  CHECK(comes_to(second));
  lead_to(1, first);  // of a conf that is no more
  CHECK(comes_to(second));
}

}  // namespace
}  // namespace sluice
