// Notify: what a service manager is told, which is the test here, and when nothing is told.
#include "core/process/notify.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>
#include <optional>
#include <string>

#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using testing::Descriptor;

const std::string own_pid = std::to_string(sys::process_id());

// A manager's socket and the variables that it sets.
class Manager {
 public:
  explicit Manager(const std::string& watchdog_us = "", const std::string& pid = "")
      : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    REQUIRE(sys::bind(socket_.get(), testing::unix_address(path())) == 0);
    start(path(), watchdog_us, pid);
  }

  std::string path() const { return folder_.file("notify"); }
  Notify& notify() { return *notify_; }
  std::string heard() const { return testing::recv_text(socket_.get()); }
  // The next message within so many turns of a few milliseconds; "" where none comes.
  std::string hears_within(int turns) {
    for (int i = 0; i < turns; ++i) {
      if (const std::string text = heard(); !text.empty()) return text;
      reactor_.turn(5);
    }
    return "";
  }

 private:
  void start(const std::string& path, const std::string& watchdog_us, const std::string& pid) {
    REQUIRE(reactor_.open().ok());
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    if (!watchdog_us.empty()) ::setenv("WATCHDOG_USEC", watchdog_us.c_str(), 1);
    if (!pid.empty()) ::setenv("WATCHDOG_PID", pid.c_str(), 1);
    notify_.emplace(reactor_);
    notify_->open();
  }

  testing::TemporaryFolder folder_;
  Descriptor socket_;
  Reactor reactor_;
  std::optional<Notify> notify_;
};

TEST_CASE("notify: ready, reloading, ready again, stopping") {
  Manager manager;
  CHECK(manager.heard().empty());
  manager.notify().ready("Serving with 2 workers");
  CHECK(manager.heard() == "READY=1\nMAINPID=" + own_pid + "\nSTATUS=Serving with 2 workers\n");
  const uint64_t before_us = sys::monotonic_ns() / 1000;
  manager.notify().reloading();
  const std::string text = manager.heard();
  const std::string begin = "RELOADING=1\nMONOTONIC_USEC=";
  REQUIRE(text.starts_with(begin));
  const uint64_t at_us = std::stoull(text.substr(begin.size()));
  CHECK(at_us >= before_us);
  CHECK(at_us <= sys::monotonic_ns() / 1000);
  CHECK(text.ends_with("\nSTATUS=Reading the conf anew\n"));
  manager.notify().ready("again");
  CHECK(manager.heard().starts_with("READY=1\n"));
  manager.notify().stopping("Ending");
  CHECK(manager.heard() == "STOPPING=1\nSTATUS=Ending\n");
}

TEST_CASE("notify: its variables reach no child") {
  const Manager manager("1000000", own_pid);
  for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) {
    CHECK(::getenv(name) == nullptr);
  }
}

TEST_CASE("notify: the watchdog is fed again and again, from readiness on") {
  for (const std::string& pid : {std::string(), own_pid}) {
    Manager manager("40000", pid);
    CHECK(manager.hears_within(20).empty());
    manager.notify().ready("x");
    manager.notify().ready("x");  // a reload's end begins no second round
    CHECK(manager.heard().starts_with("READY=1\n"));
    CHECK(manager.heard().starts_with("READY=1\n"));
    for (int i = 0; i < 3; ++i) CHECK(manager.hears_within(400) == "WATCHDOG=1\n");
  }
}

TEST_CASE("notify: no watchdog of another process, and none by nonsense") {
  struct Variables {
    std::string time;
    std::string pid;
  };
  for (const Variables& given :
       {Variables{"20000", "1"}, Variables{"20000", "x"}, Variables{"0", ""}, Variables{"-5", ""},
        Variables{"20000x", ""}}) {
    CAPTURE(given.time);
    CAPTURE(given.pid);
    Manager manager(given.time, given.pid);
    manager.notify().ready("x");
    CHECK(manager.heard().starts_with("READY=1\n"));
    CHECK(manager.hears_within(10).empty());
  }
}

TEST_CASE("notify: an abstract socket is named with @") {
  const Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
  const std::string name = "sluice-notify-test-" + own_pid;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address),
                 static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size())) == 0);
  Reactor reactor;
  Notify notify(reactor);
  ::setenv("NOTIFY_SOCKET", ("@" + name).c_str(), 1);
  notify.open();
  notify.stopping("Ending");
  CHECK(testing::recv_text(socket.get()) == "STOPPING=1\nSTATUS=Ending\n");
}

TEST_CASE("notify: without a manager, or with one that has gone, nothing happens") {
  Reactor reactor;
  REQUIRE(reactor.open().ok());
  Notify notify(reactor);
  notify.open();
  notify.ready("x");
  CHECK(reactor.armed_timers() == 0);
  ::setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
  notify.open();
  notify.ready("x");
  notify.stopping("x");
}

}  // namespace
}  // namespace sluice
