// Reactor: whom it tells what in a turn, in which order, and that nobody holds up the others.
#include "net/reactor.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "net/sys.h"
#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using testing::Pair;
using testing::send_text;
using testing::unix_pair;

// Writes down what it is told, one word each, and lets a test act on it.
class Recorder final : public EventHandler {
 public:
  explicit Recorder(Reactor& reactor) : id(reactor.attach(*this)) {}

  void on_ready(Handle handle, unsigned leg, Readiness ready) override {
    last_handle = handle;
    if (!ready.readable) return;
    told.push_back("read" + std::to_string(leg));
    if (act_on_ready) act_on_ready(leg);
  }
  void on_timer(Handle handle, unsigned which) override {
    last_handle = handle;
    told.push_back("timer" + std::to_string(which));
    if (act_on_timer) act_on_timer(which);
  }
  void on_run(Handle handle) override {
    last_handle = handle;
    told.push_back("run" + std::to_string(handle.index));
    if (act_on_run) act_on_run(handle);
  }
  void on_turn_end() override {
    ++turns;
    if (act_on_turn_end) act_on_turn_end();
  }

  size_t count(const std::string& word) const {
    return static_cast<size_t>(std::count(told.begin(), told.end(), word));
  }

  Reactor::HandlerId id;
  std::vector<std::string> told;
  Handle last_handle;
  size_t turns = 0;
  std::function<void(unsigned)> act_on_ready;
  std::function<void(unsigned)> act_on_timer;
  std::function<void(Handle)> act_on_run;
  std::function<void()> act_on_turn_end;
};

struct Fixture {
  Fixture() { REQUIRE(reactor.open().ok()); }

  // Turns until it is so; false when patience ends first.
  bool turn_until(const std::function<bool()>& so) {
    const uint64_t end_ms = reactor.now_ms() + testing::patience_ms;
    while (!so() && reactor.now_ms() < end_ms) reactor.turn(100);
    return so();
  }

  Reactor reactor;
};

using Words = std::vector<std::string>;

TEST_CASE("reactor: a descriptor's handler is told its handle and leg") {
  Fixture f;
  Recorder first(f.reactor);
  Recorder second(f.reactor);
  const Pair one = unix_pair();
  const Pair two = unix_pair();
  const Handle largest{(1u << Handle::index_bits) - 1, (1u << Handle::generation_bits) - 1};
  REQUIRE(f.reactor.watch(one.near.get(), first.id, Handle{3, 4}, 0).ok());
  REQUIRE(f.reactor.watch(two.near.get(), second.id, largest, 3).ok());
  send_text(one.far.get(), "x");
  send_text(two.far.get(), "x");
  REQUIRE(f.turn_until([&] { return first.count("read0") == 1 && second.count("read3") == 1; }));
  CHECK(first.last_handle == Handle{3, 4});
  CHECK(second.last_handle == largest);
  CHECK(first.told.size() == 1);
  CHECK(second.told.size() == 1);
  f.reactor.unwatch(one.near.get());
  f.reactor.unwatch(two.near.get());
}

TEST_CASE(
    "reactor: what a handler announces is told in the same turn, behind the poller's events") {
  Fixture f;
  Recorder from(f.reactor);
  Recorder to(f.reactor);
  const Pair pair = unix_pair();
  REQUIRE(f.reactor.watch(pair.near.get(), from.id, Handle{1, 1}, 0).ok());
  from.act_on_ready = [&](unsigned) {
    f.reactor.announce(to.id, Handle{7, 9}, 2, {.readable = true});
    CHECK(to.told.empty());
  };
  send_text(pair.far.get(), "x");
  REQUIRE(f.turn_until([&] { return from.count("read0") == 1; }));
  CHECK(to.told == Words{"read2"});
  CHECK(to.last_handle == Handle{7, 9});
  f.reactor.unwatch(pair.near.get());
}

TEST_CASE("reactor: what is announced later is told in the next turn, which does not wait") {
  Fixture f;
  Recorder from(f.reactor);
  Recorder to(f.reactor);
  const auto announce = [&] { f.reactor.announce(to.id, Handle{1, 1}, 0, {.readable = true}); };
  int ends = 0;
  from.act_on_turn_end = [&] {
    if (++ends == 1) announce();
  };
  from.act_on_run = [&](Handle) { announce(); };
  to.act_on_ready = [&](unsigned) {
    if (to.count("read0") == 2) announce();  // of its own: not told within this turn
  };
  f.reactor.enqueue(from.id, Handle{1, 1});
  f.reactor.turn(0);
  CHECK(to.told.empty());
  const uint64_t before_ms = sys::monotonic_ms();
  f.reactor.turn(testing::patience_ms);
  CHECK(to.count("read0") == 2);
  f.reactor.turn(testing::patience_ms);
  CHECK(to.count("read0") == 3);
  CHECK(sys::monotonic_ms() - before_ms < testing::patience_ms);
}

TEST_CASE("reactor: sixty-four handlers are told apart") {
  Fixture f;
  std::vector<std::unique_ptr<Recorder>> handlers;
  for (int i = 0; i < 64; ++i) handlers.push_back(std::make_unique<Recorder>(f.reactor));
  f.reactor.enqueue(handlers[0]->id, Handle{10, 1});
  f.reactor.enqueue(handlers[63]->id, Handle{63, 1});
  f.reactor.turn(0);
  CHECK(handlers[0]->told == Words{"run10"});
  CHECK(handlers[63]->told == Words{"run63"});
  CHECK(handlers[62]->told.empty());
  CHECK(handlers[62]->turns == 1);
}

TEST_CASE("reactor: an unwatched descriptor is not heard of any more") {
  Fixture f;
  Recorder handler(f.reactor);
  const Pair pair = unix_pair();
  REQUIRE(f.reactor.watch(pair.near.get(), handler.id, Handle{0, 1}, 0).ok());
  f.reactor.unwatch(pair.near.get());
  send_text(pair.far.get(), "x");
  f.reactor.turn(0);
  CHECK(handler.told.empty());
  CHECK(handler.turns == 1);
}

TEST_CASE("reactor: a stale handle still arrives and its pool knows") {
  Fixture f;
  Recorder handler(f.reactor);
  Pool<int> pool;
  const Handle stale = pool.create(1);
  f.reactor.enqueue(handler.id, stale);
  f.reactor.arm(0, handler.id, stale, 2);
  pool.retire(stale);
  pool.sweep();
  const Handle successor = pool.create(2);
  REQUIRE(successor.index == stale.index);
  handler.act_on_run = [&](Handle handle) {
    CHECK(handle == stale);
    CHECK(pool.get(handle) == nullptr);
  };
  REQUIRE(f.turn_until([&] { return handler.count("timer2") == 1; }));
  CHECK(handler.last_handle == stale);
  CHECK(handler.count("run0") == 1);
  CHECK(*pool.get(successor) == 2);
}

TEST_CASE("reactor: whoever runs again and again gets one run a turn, and others get theirs") {
  Fixture f;
  Recorder handler(f.reactor);
  handler.act_on_run = [&](Handle handle) {
    if (handle.index == 0) f.reactor.enqueue(handler.id, handle);
  };
  const Pair pair = unix_pair();
  REQUIRE(f.reactor.watch(pair.near.get(), handler.id, Handle{9, 1}, 1).ok());
  f.reactor.enqueue(handler.id, Handle{0, 1});
  f.reactor.enqueue(handler.id, Handle{1, 1});
  f.reactor.turn(-1);  // does not wait while somebody is queued
  CHECK(handler.told == Words{"run0", "run1"});
  CHECK(f.reactor.run_queue_length() == 1);
  send_text(pair.far.get(), "x");
  f.reactor.enqueue(handler.id, Handle{2, 1});
  f.reactor.turn(-1);
  CHECK(handler.told == Words{"run0", "run1", "read1", "run0", "run2"});
  for (int i = 0; i < 10; ++i) f.reactor.turn(-1);
  CHECK(handler.count("run0") == 12);
  CHECK(handler.turns == 12);
  CHECK(f.reactor.run_queue_length() == 1);
  f.reactor.unwatch(pair.near.get());
}

TEST_CASE("reactor: a run that an event or a timer puts off is the next turn's") {
  Fixture f;
  Recorder handler(f.reactor);
  const Pair pair = unix_pair();
  REQUIRE(f.reactor.watch(pair.near.get(), handler.id, Handle{5, 1}, 1).ok());
  f.reactor.turn(0);
  handler.told.clear();
  handler.act_on_ready = [&](unsigned) { f.reactor.enqueue(handler.id, Handle{5, 1}); };
  handler.act_on_timer = [&](unsigned) { f.reactor.enqueue(handler.id, Handle{6, 1}); };
  send_text(pair.far.get(), "x");
  f.reactor.turn(testing::patience_ms);
  CHECK(handler.told == Words{"read1"});
  f.reactor.turn(-1);
  CHECK(handler.told == Words{"read1", "run5"});
  f.reactor.arm(f.reactor.now_ms() + 1, handler.id, Handle{6, 1}, 0);
  while (handler.told.size() < 3) f.reactor.turn(-1);
  CHECK(handler.told == Words{"read1", "run5", "timer0"});
  f.reactor.turn(-1);
  CHECK(handler.told == Words{"read1", "run5", "timer0", "run6"});
  f.reactor.unwatch(pair.near.get());
}

TEST_CASE("reactor: in one turn events come first, then timers, runs and the end") {
  Fixture f;
  Recorder handler(f.reactor);
  const Pair pair = unix_pair();
  REQUIRE(f.reactor.watch(pair.near.get(), handler.id, Handle{5, 1}, 2).ok());
  f.reactor.turn(0);
  handler.told.clear();
  f.reactor.arm(f.reactor.now_ms() + 1, handler.id, Handle{5, 1}, 3);
  const uint64_t due_ns = (f.reactor.now_ms() + 2) * 1'000'000;
  while (sys::monotonic_ns() < due_ns) {
  }
  f.reactor.enqueue(handler.id, Handle{5, 1});
  send_text(pair.far.get(), "x");
  handler.act_on_turn_end = [&] { handler.told.push_back("end"); };
  f.reactor.turn(-1);
  CHECK(handler.told == Words{"read2", "timer3", "run5", "end"});
  f.reactor.unwatch(pair.near.get());
}

TEST_CASE("reactor: a timer is never early and wakes the turn by itself") {
  Fixture f;
  Recorder handler(f.reactor);
  f.reactor.update_clock();
  const uint64_t deadline_ms = f.reactor.now_ms() + 30;
  f.reactor.arm(deadline_ms, handler.id, Handle{1, 1}, 1);
  uint64_t told_ms = 0;
  handler.act_on_timer = [&](unsigned) { told_ms = f.reactor.now_ms(); };
  while (handler.told.empty()) f.reactor.turn(-1);
  CHECK(told_ms >= deadline_ms);
  CHECK(sys::monotonic_ns() / 1'000'000 >= deadline_ms);
  CHECK(handler.turns <= 5);  // it slept; one more turn at the most for each rounding of the clock
  CHECK(f.reactor.armed_timers() == 0);
}

// Several tries: a machine that pauses makes one late, reckoning from the turn's begin makes all.
TEST_CASE("reactor: the wait is reckoned from its own begin, not from the turn's") {
  constexpr uint64_t work_ms = 100;
  bool in_time = false;
  for (int i = 0; i < 20 && !in_time; ++i) {
    Fixture f;
    Recorder handler(f.reactor);
    const auto clock_ms = [] { return sys::monotonic_ns() / 1'000'000; };
    const uint64_t deadline_ms = clock_ms() + work_ms;
    handler.act_on_run = [&](Handle) {
      while (clock_ms() < deadline_ms) continue;
    };
    f.reactor.arm(deadline_ms, handler.id, Handle{1, 1}, 0);
    f.reactor.enqueue(handler.id, Handle{2, 1});
    CHECK(f.turn_until([&] { return handler.count("timer0") == 1; }));
    in_time = clock_ms() - deadline_ms < work_ms / 2;
  }
  CHECK(in_time);
}

TEST_CASE("reactor: a turn waits no longer than it is told") {
  Fixture f;
  Recorder handler(f.reactor);
  f.reactor.arm(f.reactor.now_ms() + 3'600'000, handler.id, Handle{1, 1}, 0);
  f.reactor.turn(5);
  f.reactor.turn(0);
  CHECK(handler.told.empty());
  CHECK(f.reactor.armed_timers() == 1);
}

TEST_CASE("reactor: a timer that another one cancels in the same turn is not told") {
  Fixture f;
  Recorder handler(f.reactor);
  const uint64_t deadline_ms = f.reactor.now_ms() + 1;
  TimerId ids[4];
  for (unsigned which = 0; which < 4; ++which) {
    ids[which] = f.reactor.arm(deadline_ms, handler.id, Handle{0, 1}, which);
  }
  handler.act_on_timer = [&](unsigned which) {
    if (which == 0) f.reactor.cancel(ids[1]);
    if (which == 2) f.reactor.cancel(ids[3]);
  };
  REQUIRE(f.turn_until([&] { return handler.count("timer2") == 1; }));
  CHECK(handler.told == Words{"timer0", "timer2"});
  CHECK(f.reactor.armed_timers() == 0);
  // Each id is free once, not twice.
  std::vector<TimerId> again;
  for (unsigned i = 0; i < 8; ++i) {
    again.push_back(f.reactor.arm(f.reactor.now_ms() + 1000, handler.id, Handle{0, 1}, 0));
  }
  std::sort(again.begin(), again.end());
  CHECK(std::adjacent_find(again.begin(), again.end()) == again.end());
}

TEST_CASE("reactor: a timer that arms itself again fires again, once a deadline") {
  Fixture f;
  Recorder handler(f.reactor);
  f.reactor.arm(f.reactor.now_ms() + 1, handler.id, Handle{0, 1}, 0);
  handler.act_on_timer = [&](unsigned) {
    if (handler.told.size() < 5) {
      f.reactor.arm(f.reactor.now_ms() + 2, handler.id, Handle{0, 1}, 0);
    }
  };
  size_t most_in_a_turn = 0;
  size_t before = 0;
  handler.act_on_turn_end = [&] {
    most_in_a_turn = std::max(most_in_a_turn, handler.told.size() - before);
    before = handler.told.size();
  };
  REQUIRE(f.turn_until([&] { return handler.told.size() == 5; }));
  CHECK(most_in_a_turn == 1);
}

TEST_CASE("reactor: run() goes on until somebody stops it") {
  Fixture f;
  Recorder handler(f.reactor);
  f.reactor.enqueue(handler.id, Handle{0, 1});
  handler.act_on_run = [&](Handle handle) {
    f.reactor.enqueue(handler.id, handle);
    if (handler.told.size() == 3) f.reactor.stop();
  };
  f.reactor.run();
  CHECK(handler.told.size() == 3);
  CHECK(handler.turns == 3);  // the turn that stops is finished
  handler.told.clear();
  f.reactor.run();
  CHECK(handler.told.size() == 3);
}

TEST_CASE("reactor: a listener is told as readable") {
  Fixture f;
  Recorder handler(f.reactor);
  const testing::Descriptor listener = testing::listening_socket(testing::loopback());
  REQUIRE(f.reactor.watch_listener(listener.get(), handler.id, Handle{2, 1}, false).ok());
  f.reactor.turn(0);
  CHECK(handler.told.empty());
  const testing::Descriptor client = testing::client_of(listener.get());
  REQUIRE(f.turn_until([&] { return !handler.told.empty(); }));
  CHECK(handler.told == Words{"read0"});
  CHECK(handler.last_handle == Handle{2, 1});
  f.reactor.unwatch(listener.get());
}

TEST_CASE("reactor: its heartbeat rests in the wait and else tells when the turn began") {
  void* const memory = sys::map_shared_memory(sizeof(Heartbeat));
  REQUIRE(memory != nullptr);
  Heartbeat& heartbeat = *new (memory) Heartbeat;
  heartbeat.work(1);
  Pair pair = unix_pair();
  const pid_t child = sys::fork();
  if (child == 0) {
    Reactor reactor;
    Recorder recorder(reactor);
    bool told = reactor.open().ok() && reactor.watch(pair.far.get(), recorder.id, {0, 1}, 0).ok();
    reactor.tell_turns(heartbeat);
    told = told && heartbeat.busy_since_ms() == reactor.now_ms();
    recorder.act_on_ready = [&](unsigned) {
      told = told && heartbeat.busy_since_ms() == reactor.now_ms() && reactor.now_ms() > 0;
    };
    while (recorder.count("read0") == 0) reactor.turn(-1);
    sys::exit_now(told && heartbeat.busy_since_ms() == reactor.now_ms() ? 0 : 1);
  }
  REQUIRE(child > 0);
  const uint64_t began_ms = sys::monotonic_ms();
  while (heartbeat.busy_since_ms() != 0 && sys::monotonic_ms() - began_ms < testing::patience_ms) {
    sys::wait_readable(-1, 1);
  }
  CHECK(heartbeat.busy_since_ms() == 0);
  send_text(pair.near.get(), "x");
  int status = 0;
  CHECK(::waitpid(child, &status, 0) == child);
  CHECK(sys::describe_exit(status) == "exited with status 0");
  CHECK(heartbeat.busy_since_ms() >= began_ms);
  sys::unmap_memory(memory, sizeof(Heartbeat));
}

TEST_CASE("reactor: each turn is counted once, by how long it took") {
  Reactor reactor;
  REQUIRE(reactor.open().ok());
  const auto counted = [&reactor] {
    uint64_t sum = 0;
    for (const uint64_t count : reactor.turn_times().counts) sum += count;
    return sum;
  };
  reactor.turn(0);
  CHECK(counted() == 0);  // it has not ended: the next wait ends it
  reactor.turn(0);
  reactor.turn(0);
  CHECK(counted() == 2);
  CHECK(reactor.turn_times().sum_ns > 0);
}

}  // namespace
}  // namespace sluice
