// Master: workers are started and replaced, logs reopened, and it ends with its workers. It lives
// in a child, because it takes its process's signals and descriptors.
#include "core/process/master.h"

#include <doctest/doctest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "core/conf/conf.h"
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
    std::ofstream(conf()) << "workers 2\nerror_log " << log() << " debug\npid_file " << pid_file()
                          << "\n"
                          << more << "listen " << address_.text()
                          << "\nroute /\n  proxy_pass ws://127.0.0.1:1\n";
    child_.emplace([this] {
      MachineInputs inputs;
      ConfOutcome outcome = load_conf(conf(), {}, inputs);
      if (outcome.config == nullptr) return 99;
      Master master(ConfigRef(outcome.config.release()), conf());
      return master.run();
    });
  }

  Child& child() { return *child_; }
  const Address& address() const { return address_; }
  std::string file(const std::string& name) const { return folder_.file(name); }
  std::string conf() const { return file("sluice.conf"); }
  std::string log() const { return file("error.log"); }
  std::string pid_file() const { return file("sluice.pid"); }
  bool says(const std::string& text) const { return comes_to_say(log(), text); }
  // A worker that it started: the `count`-th line about worker 0.
  pid_t worker(size_t count) const {
    static const std::string line = " info worker 0 started, pid ";
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

TEST_CASE("master: an address that somebody has is no start") {
  const testing::Descriptor taken = testing::listening_socket(testing::loopback());
  Running running("listen " + sys::local_address(taken.get()).text() + "\n");
  CHECK(running.child().wait() == 1);
  CHECK_FALSE(std::filesystem::exists(running.pid_file()));
  CHECK_FALSE(takes_connections(running.address()));
}

}  // namespace
}  // namespace sluice
