// Master: workers are started and replaced, logs reopened, and it ends with its workers. It lives
// in a child, because it takes its process's signals and descriptors.
#include "core/process/master.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

#include "core/conf/conf.h"
#include "core/conf/conf_ids.h"
#include "core/conf/machine_inputs.h"
#include "tests/unit/process_testing.h"

namespace sluice {
namespace {

using testing::answer_to;
using testing::Child;
using testing::comes_to_say;
using testing::comes_true;
using testing::takes_connections;

// A master with two workers and a log at debug; `more` are further lines of its conf.
class Running {
 public:
  explicit Running(const std::string& more = "") {
    address_ = sys::local_address(testing::bound_socket(testing::loopback()).get());
    write(more);
    child_.emplace([this] {
      const rlimit few{4096, 4096};
      if (::setrlimit(RLIMIT_NOFILE, &few) != 0) return 98;
      MachineInputs inputs;
      ConfIds ids;
      ConfOptions options;
      options.ids = &ids;
      ConfOutcome outcome = load_conf(conf(), options, inputs);
      if (outcome.config == nullptr) return 99;
      Master master(ConfigRef(outcome.config.release()), conf(), std::move(ids));
      return master.run();
    });
  }

  // The conf as it is from now on; `more` are further lines.
  void write(const std::string& more, int workers = 2, bool own_listener = true) const {
    std::ofstream(conf()) << "workers " << workers << "\nerror_log " << log() << " debug\npid_file "
                          << pid_file() << "\n"
                          << more << (own_listener ? "listen " + address_.text() : "")
                          << "\nroute /\n  proxy_pass ws://127.0.0.1:1\n";
  }
  // Has the conf read again and waits until it is used; `generation` is its number.
  bool reloads(int generation) {
    child().signal(SIGHUP);
    return says(" is in use as generation " + std::to_string(generation) + ",");
  }

  Child& child() { return *child_; }
  const Address& address() const { return address_; }
  std::string file(const std::string& name) const { return folder_.file(name); }
  std::string conf() const { return file("sluice.conf"); }
  std::string log() const { return file("error.log"); }
  std::string pid_file() const { return file("sluice.pid"); }
  bool says(const std::string& text) const { return comes_to_say(log(), text); }
  // A worker that it started: the `count`-th line about the worker of that number.
  pid_t worker(size_t count, int number = 0) const {
    const std::string line = " info worker " + std::to_string(number) + " started, pid ";
    std::string text;
    size_t at = 0;
    comes_true([&] {
      text = testing::content_of(log());
      at = text.find(line);
      for (size_t i = 1; i < count && at != std::string::npos; ++i) at = text.find(line, at + 1);
      return at != std::string::npos && text.find('\n', at) != std::string::npos;
    });
    REQUIRE(at != std::string::npos);
    return static_cast<pid_t>(std::stoi(text.substr(at + line.size())));
  }
  bool serves() const {
    return comes_true([this] { return takes_connections(address_); }) &&
           answer_to(address_, "/").starts_with("HTTP/1.1 ");
  }

 private:
  testing::TemporaryFolder folder_;
  Address address_;
  std::optional<Child> child_;
};

TEST_CASE("master: a worker that is killed is replaced at once, then after a pause") {
  Running running;
  CHECK(running.serves());
  size_t count = 0;
  for (const char* pause : {"0 ms", "100 ms"}) {
    const pid_t worker = running.worker(++count);
    REQUIRE(sys::kill(worker, SIGKILL) == 0);
    CHECK(running.says(std::string("worker 0 was killed by signal 9, starting it again in ") +
                       pause));
    CHECK(running.worker(count + 1) != worker);
  }
  CHECK(running.serves());
  running.child().signal(SIGTERM);
  CHECK(running.child().wait() == 0);
}

TEST_CASE("master: its end is its workers' and the listener's, and takes its files along") {
  for (const int signal : {SIGTERM, SIGINT, SIGQUIT}) {
    CAPTURE(signal);
    Running running;
    CHECK(running.serves());
    const pid_t worker = running.worker(1);
    CHECK(std::filesystem::exists(running.pid_file()));
    running.child().signal(signal);
    CHECK(running.child().wait() == 0);
    CHECK(sys::kill(worker, 0) == -ESRCH);
    CHECK_FALSE(takes_connections(running.address()));
    CHECK_FALSE(std::filesystem::exists(running.pid_file()));
    CHECK(testing::content_of(running.log()).find("while ending") == std::string::npos);
  }
}

TEST_CASE("master: a worker that stands still is killed when its time is over") {
  Running running;
  CHECK(running.serves());
  REQUIRE(sys::kill(running.worker(1), SIGSTOP) == 0);
  const uint64_t begin_ms = sys::monotonic_ms();
  running.child().signal(SIGTERM);
  CHECK(running.child().wait() == 0);
  CHECK(sys::monotonic_ms() - begin_ms >= 950);
}

TEST_CASE("master: logs are reopened by all processes") {
  Running running;
  CHECK(running.serves());
  const pid_t worker = running.worker(1);
  std::filesystem::rename(running.log(), running.file("old.log"));
  running.child().signal(SIGUSR1);
  CHECK(running.says("logs reopened"));
  CHECK(comes_true([&] {  // SIGUSR2 to a worker writes a line
    sys::kill(worker, SIGUSR2);
    return testing::content_of(running.log()).find(" notice sessions ") != std::string::npos;
  }));
  running.child().signal(SIGTERM);
  CHECK(running.child().wait() == 0);
}

TEST_CASE("master: what it cannot do is told, and changes nothing") {
  Running running;
  CHECK(running.serves());
  std::ofstream(running.conf()) << "rout /\n";
  running.child().signal(SIGHUP);
  CHECK(running.says(" is bad; nothing changes"));
  running.child().signal(SIGUSR2);
  CHECK(running.says("SIGUSR2: changing the binary is not there yet"));
  CHECK(running.serves());
}

TEST_CASE("master: a reload opens and closes listeners, and no worker is replaced") {
  Running running;
  CHECK(running.serves());
  const pid_t worker = running.worker(1);
  const Address other = sys::local_address(testing::bound_socket(testing::loopback()).get());
  running.write("listen " + other.text() + "\n");
  CHECK(running.reloads(2));
  CHECK(running.says("listening on " + other.text()));
  CHECK(answer_to(other, "/").starts_with("HTTP/1.1 426 "));
  CHECK(running.serves());
  running.write("listen " + other.text() + "\n", 2, false);
  CHECK(running.reloads(3));
  CHECK_FALSE(takes_connections(running.address()));
  CHECK(answer_to(other, "/").starts_with("HTTP/1.1 426 "));
  CHECK(sys::kill(worker, 0) == 0);
  CHECK(running.worker(1) == worker);
  running.child().signal(SIGTERM);
  CHECK(running.child().wait() == 0);
  CHECK_FALSE(takes_connections(other));
}

TEST_CASE("master: a reload that fails half-way leaves everything as it was") {
  Running running;
  CHECK(running.serves());
  const testing::Descriptor taken = testing::listening_socket(testing::loopback());
  const Address other = sys::local_address(testing::bound_socket(testing::loopback()).get());
  const std::string more = "listen " + other.text() + "\n";
  running.write(more + "listen " + sys::local_address(taken.get()).text() + "\n");
  running.child().signal(SIGHUP);
  CHECK(running.says(" is bad; nothing changes"));
  CHECK_FALSE(takes_connections(other));
  running.write("access_log /nowhere/at/all.log\n" + more);
  running.child().signal(SIGHUP);
  CHECK(running.says("access_log /nowhere/at/all.log: "));
  CHECK_FALSE(takes_connections(other));
  running.write(more);
  CHECK(running.reloads(2));  // none of the others was counted
  CHECK(takes_connections(other));
}

TEST_CASE("master: a conf is in use when the last worker uses it, and the next one waits") {
  Running running;
  CHECK(running.serves());
  const pid_t last = running.worker(1, 1);
  REQUIRE(sys::kill(last, SIGSTOP) == 0);
  running.write("worker_connections 1000000\n");
  running.child().signal(SIGHUP);
  // Worker 0 says so when it has acknowledged that conf.
  CHECK(running.says("worker_connections 1000000 is more than "));
  running.child().signal(SIGHUP);
  CHECK(running.says("reload: it begins when the workers use the conf before it"));
  CHECK(testing::content_of(running.log()).find(" is in use as ") == std::string::npos);
  REQUIRE(sys::kill(last, SIGCONT) == 0);
  CHECK(running.says(" is in use as generation 2,"));
  CHECK(running.says(" is in use as generation 3,"));
}

TEST_CASE("master: a reload ends with the worker that it waits for, and the next one begins") {
  Running running;
  CHECK(running.serves());
  const pid_t last = running.worker(1, 1);
  REQUIRE(sys::kill(last, SIGSTOP) == 0);
  running.write("worker_connections 1000000\n");
  running.child().signal(SIGHUP);
  CHECK(running.says("worker_connections 1000000 is more than "));
  running.write("", 8);
  running.child().signal(SIGHUP);
  CHECK(running.says("reload: it begins when the workers use the conf before it"));
  REQUIRE(sys::kill(last, SIGKILL) == 0);
  CHECK(running.says(" is in use as generation 2,"));
  CHECK(running.says("worker 1 was killed by signal 9, starting it again in 0 ms"));
  CHECK(running.says(" is in use as generation 3,"));
  CHECK(running.worker(2, 1) != last);
  CHECK(running.worker(1, 7) > 0);
}

// A client of the control socket that has sent this.
testing::Descriptor asking(const std::string& path, const std::string& request) {
  testing::Descriptor client(sys::stream_socket(AF_UNIX));
  REQUIRE(sys::connect(client.get(), testing::unix_address(path)) == 0);
  testing::send_text(client.get(), request);
  return client;
}

TEST_CASE("master: its end answers those who wait for a reload, and brings no conf into use") {
  const testing::TemporaryFolder sockets;
  const testing::Descriptor manager(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
  REQUIRE(sys::bind(manager.get(), testing::unix_address(sockets.file("notify"))) == 0);
  ::setenv("NOTIFY_SOCKET", sockets.file("notify").c_str(), 1);
  Running running("control unix:" + sockets.file("control") + "\n");
  ::unsetenv("NOTIFY_SOCKET");
  CHECK(running.serves());
  REQUIRE(sys::kill(running.worker(1, 1), SIGSTOP) == 0);
  const testing::Descriptor first = asking(sockets.file("control"), "reload\n");
  CHECK(running.says("control: reload, as "));
  const testing::Descriptor second = asking(sockets.file("control"), "reload\n");
  CHECK(running.says("reload: it begins when the workers use the conf before it"));
  running.child().signal(SIGTERM);
  CHECK(running.child().wait() == 0);
  for (const testing::Descriptor* client : {&first, &second}) {
    CHECK(testing::recv_text(client->get()) ==
          "{\"ok\":false,\"errors\":[\"sluice ended before all workers used the conf\"]}\n");
  }
  CHECK(testing::content_of(running.log()).find(" is in use as ") == std::string::npos);
  std::string told;
  for (std::string next; !(next = testing::recv_text(manager.get())).empty();) told = next;
  CHECK(told.find("STOPPING=1") != std::string::npos);  // nothing came behind it
}

TEST_CASE("master: workers come and go with the conf") {
  Running running;
  CHECK(running.serves());
  running.write("", 4);
  CHECK(running.reloads(2));
  CHECK(running.says("worker 3 started, pid "));
  CHECK(running.serves());
  running.write("", 1);
  CHECK(running.reloads(3));
  for (const char* number : {"1", "2", "3"}) {
    CHECK(running.says(std::string("worker ") + number + " has left: "));
  }
  CHECK(running.serves());
  running.write("", 2);
  CHECK(running.reloads(4));
  CHECK(running.serves());
  running.child().signal(SIGTERM);
  CHECK(running.child().wait() == 0);
}

TEST_CASE("master: a worker that dies after a reload is replaced by one of the new conf") {
  Running running;
  CHECK(running.serves());
  const Address other = sys::local_address(testing::bound_socket(testing::loopback()).get());
  running.write("listen " + other.text() + "\n", 1, false);
  CHECK(running.reloads(2));
  REQUIRE(sys::kill(running.worker(1), SIGKILL) == 0);
  CHECK(running.worker(2) != running.worker(1));
  CHECK(answer_to(other, "/").starts_with("HTTP/1.1 426 "));
  CHECK_FALSE(takes_connections(running.address()));
  running.write("");
  CHECK(running.reloads(3));
  CHECK(running.serves());
}

TEST_CASE("master: an address that somebody has is no start") {
  const testing::Descriptor taken = testing::listening_socket(testing::loopback());
  Running running("listen " + sys::local_address(taken.get()).text() + "\n");
  CHECK(running.child().wait() == 1);
  CHECK_FALSE(std::filesystem::exists(running.pid_file()));
  CHECK_FALSE(takes_connections(running.address()));
}

TEST_CASE("master: a keeper is there while the conf asks for checks, and is replaced") {
  const std::string checks = "health_check tcp interval=1h\n";
  Running running(checks);
  CHECK(running.says("the keeper started, pid "));
  const auto keeper = [&running](size_t count) {
    const std::string text = testing::content_of(running.log());
    size_t at = 0;
    for (size_t i = 0; i < count; ++i) at = text.find("the keeper started, pid ", at) + 24;
    return static_cast<pid_t>(std::stoi(text.substr(at)));
  };
  const pid_t first = keeper(1);
  CHECK(running.says("is out: health_check tcp: connect: Connection refused"));
  REQUIRE(sys::kill(first, SIGKILL) == 0);
  CHECK(running.says("the keeper was killed by signal 9, starting it again in 0 ms\n"));
  CHECK(comes_true([&] {
    const std::string text = testing::content_of(running.log());
    const size_t at = text.rfind("the keeper started, pid ");
    return text.find('\n', at) != std::string::npos && at != text.find("the keeper started");
  }));
  const pid_t second = keeper(2);
  CHECK(second != first);
  running.write("");
  CHECK(running.reloads(2));
  CHECK(running.says("the keeper has left\n"));
  CHECK(sys::kill(second, 0) == -ESRCH);
  running.write(checks);
  CHECK(running.reloads(3));
  running.child().signal(SIGTERM);
  CHECK(running.child().wait() == 0);
  CHECK(testing::content_of(running.log()).find("while ending") == std::string::npos);
}

}  // namespace
}  // namespace sluice
