// Watchdog: which loops are stuck, and what becomes of real processes that are.
#include "core/process/watchdog.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>

#include <initializer_list>
#include <string>
#include <vector>

#include "core/process/counter_rows.h"
#include "net/sys.h"
#include "tests/unit/process_testing.h"

namespace sluice {
namespace {

using testing::content_of;
using testing::TemporaryFolder;

TEST_CASE("watchdog: a turn of worker_timeout is stuck, a shorter one and a wait are not") {
  LoopJudge judge;
  const auto looks = [&](uint64_t busy_since_ms, uint64_t now_ms) {
    return judge.look(busy_since_ms, now_ms, 1'000);
  };
  using Times = std::initializer_list<uint64_t>;
  for (const uint64_t now_ms : Times{5'000, 6'000, 500'000}) CHECK_FALSE(looks(0, now_ms));
  for (const uint64_t now_ms : Times{10'000, 10'250, 10'999}) CHECK_FALSE(looks(10'000, now_ms));
  CHECK(looks(10'000, 11'000));
  CHECK(looks(10'000, 11'250));
  // It went on after all.
  CHECK_FALSE(looks(11'300, 11'500));
  CHECK_FALSE(looks(0, 500'000));
}

TEST_CASE("watchdog: a clock that was away makes nobody stuck at the first looks") {
  LoopJudge judge;
  CHECK_FALSE(judge.look(1'000, 1'001, 1'000));  // by chance in the middle of a turn
  CHECK_FALSE(judge.look(1'000, 9'000'000, 1'000));
  CHECK_FALSE(judge.look(9'000'001, 9'000'250, 1'000));
}

TEST_CASE("watchdog: a loop whose turns are long but end is not stuck") {
  LoopJudge judge;
  for (uint64_t turn_ms = 1'000; turn_ms < 50'000; turn_ms += 900) {
    for (uint64_t look_ms = turn_ms; look_ms < turn_ms + 900; look_ms += 250) {
      CHECK_FALSE(judge.look(turn_ms, look_ms, 1'000));
    }
  }
}

// A master's part, for one worker, which is a child of the test's own.
struct Guarded {
  Guarded() {
    auto* made = new Config;
    made->worker_timeout_ms = 200;
    config = ConfigRef(made);
    REQUIRE(rows.open(1).ok());
    REQUIRE(reactor.open().ok());
    log.error_sink.use({sys::open_for_append(log_path().c_str()), false});
    watchdog.begin();
  }
  ~Guarded() { sys::close(log.error_sink.descriptor().fd); }

  std::string log_path() const { return folder.file("log"); }

  // The signal that ended a child whose loop does this; 0 where it exits.
  template <class Body>
  int end_of(Body body) {
    const uint64_t began_ms = sys::monotonic_ms();
    pid = sys::fork();
    if (pid == 0) {
      ::signal(SIGABRT, SIG_DFL);  // doctest would take its time to report it
      body(rows.row(0).heartbeat);
      sys::exit_now(0);
    }
    REQUIRE(pid > 0);
    int status = 0;
    const uint64_t deadline_ms = sys::monotonic_ms() + testing::patience_ms;
    while (::waitpid(pid, &status, WNOHANG) == 0 && sys::monotonic_ms() < deadline_ms) {
      reactor.turn(10);
    }
    log.flush();
    lived_ms = sys::monotonic_ms() - began_ms;
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }

  TemporaryFolder folder;
  ConfigRef config;
  Reactor reactor;
  Log log;
  CounterRows rows;
  Heartbeat idle;
  pid_t pid = 0;
  uint64_t lived_ms = 0;  // the latest child
  Watchdog watchdog{reactor, log, config, [this] {
                      return std::vector<Watchdog::Watched>{
                          {0, &idle, "the keeper"}, {pid, &rows.row(0).heartbeat, "worker 0"}};
                    }};
};

void nap_ms(int milliseconds) {
  sys::wait_readable(-1, milliseconds);
}

TEST_CASE("watchdog: a loop that spins is ended by SIGABRT, which is told") {
  Guarded guarded;
  CHECK(guarded.end_of([](Heartbeat& heartbeat) {
    heartbeat.work(sys::monotonic_ms());
    for (volatile uint64_t spun = 0;;) {
      spun = spun + 1;
    }
  }) == SIGABRT);
  const std::string told = content_of(guarded.log_path());
  CHECK(told.find("error worker 0, pid " + std::to_string(guarded.pid) +
                  ", is stuck: its loop has been in one turn for 0 s (worker_timeout 200ms); it is "
                  "sent SIGABRT\n") != std::string::npos);
  CHECK(told.find("killed") == std::string::npos);
}

TEST_CASE("watchdog: one that SIGABRT does not end is killed, but not before its time") {
  Guarded guarded;
  CHECK(guarded.end_of([](Heartbeat& heartbeat) {
    sys::block_signals();
    heartbeat.work(sys::monotonic_ms());
    for (;;) nap_ms(1'000);
  }) == SIGKILL);
  CHECK(guarded.lived_ms >= 200 + Watchdog::abort_allowance_ms(200));
  CHECK(content_of(guarded.log_path()).find(", did not end by SIGABRT: killed\n") !=
        std::string::npos);
  CHECK(Watchdog::abort_allowance_ms(200) == 1'000);
  CHECK(Watchdog::abort_allowance_ms(30'000) == 30'000);
}

TEST_CASE(
    "watchdog: who waits, or works in short turns, is left alone; so are all without a limit") {
  Guarded guarded;
  CHECK(guarded.end_of([](Heartbeat& heartbeat) {
    heartbeat.rest();
    nap_ms(600);
  }) == 0);
  CHECK(guarded.end_of([](Heartbeat& heartbeat) {
    for (int i = 0; i < 60; ++i) {
      heartbeat.work(sys::monotonic_ms());
      nap_ms(10);
    }
    heartbeat.rest();
  }) == 0);
  auto* unlimited = new Config;
  unlimited->worker_timeout_ms = 0;
  guarded.config = ConfigRef(unlimited);
  CHECK(guarded.end_of([](Heartbeat& heartbeat) {
    heartbeat.work(sys::monotonic_ms());
    nap_ms(600);
  }) == 0);
  CHECK(content_of(guarded.log_path()) == "");
}

}  // namespace
}  // namespace sluice
