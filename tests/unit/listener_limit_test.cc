// Acceptor with a limit: what a second may bring, how it pauses and goes on, whom it refuses, and
// that nothing of it is left when a listener changes or goes.
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "net/connector.h"
#include "net/listener.h"
#include "net/sys.h"
#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using testing::Descriptor;
using testing::loopback;

constexpr uint32_t for_hours = 3'600'000;

class Sink final : public AcceptSink {
 public:
  void on_accept(int fd, const Address&, uint32_t listener) override {
    fds.emplace_back(fd);
    accepted.push_back(listener);
  }
  void on_refuse(int fd, const Address&, uint32_t listener) override {
    fds.emplace_back(fd);
    refused.push_back(listener);
    if (refused.size() == stop_after) acceptor->stop();
  }
  void on_hold_back(uint32_t listener) override { held_back.push_back(listener); }

  std::vector<Descriptor> fds;
  std::vector<uint32_t> accepted;
  std::vector<uint32_t> refused;
  std::vector<uint32_t> held_back;
  size_t stop_after = 0;
  Acceptor* acceptor = nullptr;
};

struct Fixture {
  Fixture() {
    REQUIRE(reactor.open().ok());
    sink.acceptor = &acceptor;
    listener = testing::listening_socket(loopback(), 200);
  }
  ~Fixture() { acceptor.stop(); }

  // One a second, and `burst` at once.
  AcceptLimit slow(uint32_t burst, uint32_t queue_time_ms = for_hours) {
    return {&rate, {1, burst}, queue_time_ms};
  }
  void add(const AcceptLimit& limit) {
    REQUIRE(acceptor.add(listener.get(), 7, false, limit).ok());
  }
  void connect(int count) {
    for (int i = 0; i < count; ++i) clients.push_back(testing::client_of(listener.get()));
  }
  template <class Condition>
  void turn_until(Condition condition) {
    const uint64_t deadline_ms = sys::monotonic_ms() + testing::patience_ms;
    while (!condition()) {
      REQUIRE(sys::monotonic_ms() < deadline_ms);
      reactor.turn(20);
    }
  }
  size_t accepted() const { return sink.accepted.size(); }
  size_t refused() const { return sink.refused.size(); }

  SharedRate rate;
  Reactor reactor;
  Sink sink;
  Acceptor acceptor{reactor, sink};
  Descriptor listener;
  std::vector<Descriptor> clients;
};

TEST_CASE("accept limit: beyond it clients wait, behind one timer, and edges change nothing") {
  Fixture f;
  f.add(f.slow(5));
  f.connect(12);
  f.reactor.turn(testing::patience_ms);
  CHECK(f.accepted() == 5);
  CHECK(f.sink.held_back == std::vector<uint32_t>{7});
  CHECK(f.reactor.armed_timers() == 1);
  f.connect(2);
  f.reactor.turn(0);
  CHECK(f.accepted() == 5);
  CHECK(f.reactor.armed_timers() == 1);
  CHECK(f.sink.held_back.size() == 1);
  CHECK(f.refused() == 0);
  CHECK(f.acceptor.pauses() == 0);
}

TEST_CASE("accept limit: a timer lets on those who wait, no faster than the limit, to the last") {
  Fixture f;
  f.add({&f.rate, {50, 2}, for_hours});
  const uint64_t begin_ms = sys::monotonic_ms();
  f.connect(12);
  f.turn_until([&] { return f.accepted() == 12; });
  CHECK(sys::monotonic_ms() - begin_ms >= 9 * 20);  // but for the burst and one of lateness
  f.turn_until([&] { return f.reactor.armed_timers() == 0; });
  CHECK(f.sink.held_back.size() == 1);
  CHECK(f.refused() == 0);
  f.connect(3);  // and edges count again
  f.turn_until([&] { return f.accepted() == 15; });
}

TEST_CASE("accept limit: where nobody waits nothing pauses, and what was not needed is not spent") {
  Fixture f;
  f.add(f.slow(10));
  for (int i = 0; i < 10; ++i) {
    f.connect(1);
    f.reactor.turn(testing::patience_ms);
  }
  CHECK(f.accepted() == 10);
  CHECK(f.reactor.armed_timers() == 0);
  CHECK(f.sink.held_back.empty());
  f.connect(1);
  f.reactor.turn(testing::patience_ms);
  CHECK(f.sink.held_back.size() == 1);
  f.turn_until([&] { return f.accepted() == 11; });  // within a second
}

TEST_CASE("accept limit: after the queue time those who wait are refused, some at a time") {
  Fixture f;
  f.add(f.slow(5, 30));
  f.connect(60);
  const uint64_t begin_ms = sys::monotonic_ms();
  f.reactor.turn(testing::patience_ms);
  CHECK(f.accepted() == 5);
  CHECK(f.refused() == 0);
  f.turn_until([&] {
    const size_t before = f.refused();
    f.reactor.turn(1);
    CHECK(f.refused() - before <= Acceptor::refusals_at_once);
    return f.refused() > 0;
  });
  CHECK(sys::monotonic_ms() - begin_ms >= 30);
  f.turn_until([&] { return f.accepted() + f.refused() == 60; });
  const uint64_t took_ms = sys::monotonic_ms() - begin_ms;
  CHECK(f.accepted() <= 6 + took_ms / 1'000);
  CHECK(f.refused() <= Acceptor::refusals_at_once * (took_ms / Acceptor::refuse_every_ms + 1));
  f.turn_until([&] { return f.reactor.armed_timers() == 0; });
  CHECK(f.sink.held_back.size() == 1);
  // Whoever comes now has patience of his own.
  const size_t refused = f.refused();
  f.connect(1);
  f.reactor.turn(testing::patience_ms);
  CHECK(f.refused() == refused);
}

TEST_CASE("accept limit: without it any more, those who wait are accepted at once") {
  Fixture f;
  f.add(f.slow(5));
  f.connect(100);
  f.reactor.turn(testing::patience_ms);
  REQUIRE(f.accepted() == 5);
  f.acceptor.set_limit(f.listener.get(), f.slow(5));  // the same: nothing to do
  CHECK(f.reactor.run_queue_length() == 0);
  f.acceptor.set_limit(f.listener.get(), {});
  CHECK(f.reactor.armed_timers() == 0);
  f.reactor.turn(testing::patience_ms);
  CHECK(f.accepted() == 5 + Acceptor::accepts_a_turn);
  f.reactor.turn(testing::patience_ms);
  CHECK(f.accepted() == 100);
  // And with one again.
  f.acceptor.set_limit(f.listener.get(), f.slow(1));
  f.connect(3);
  f.reactor.turn(testing::patience_ms);
  CHECK(f.accepted() < 103);
  CHECK(f.sink.held_back.size() == 2);
  // A shorter patience is for those who wait already.
  f.acceptor.set_limit(f.listener.get(), f.slow(1, 1));
  f.turn_until([&] { return f.accepted() + f.refused() == 103; });
  CHECK(f.refused() > 0);
}

TEST_CASE("accept limit: a listener that pauses leaves the others alone") {
  const Descriptor other = testing::listening_socket(loopback());
  Fixture f;
  f.add(f.slow(1));
  REQUIRE(f.acceptor.add(other.get(), 9, false).ok());
  f.connect(3);
  f.reactor.turn(testing::patience_ms);
  REQUIRE(f.accepted() == 1);
  const Descriptor client(start_connect(sys::local_address(other.get())).value());
  f.reactor.turn(testing::patience_ms);
  CHECK(f.sink.accepted == std::vector<uint32_t>{7, 9});
}

TEST_CASE("accept limit: who shares the rate shares what it allows") {
  Fixture one;
  Fixture other;
  one.add(one.slow(20));
  REQUIRE(other.acceptor.add(other.listener.get(), 8, false, one.slow(20)).ok());
  one.connect(15);
  other.connect(15);
  one.reactor.turn(testing::patience_ms);
  CHECK(one.accepted() == 15);
  other.reactor.turn(testing::patience_ms);
  CHECK(other.accepted() == 5);
  CHECK(other.sink.held_back == std::vector<uint32_t>{8});
  CHECK(one.sink.held_back.empty());
}

TEST_CASE("accept limit: what is removed while it pauses leaves no timer, and its queue as it is") {
  const Descriptor other = testing::listening_socket(loopback());
  Fixture f;
  f.add(f.slow(2));
  f.connect(5);
  f.reactor.turn(testing::patience_ms);
  REQUIRE(f.accepted() == 2);
  f.acceptor.remove(f.listener.get());
  CHECK(f.reactor.armed_timers() == 0);
  REQUIRE(f.acceptor.add(other.get(), 9, false).ok());
  const Descriptor client(start_connect(sys::local_address(other.get())).value());
  f.reactor.turn(testing::patience_ms);
  CHECK(f.sink.accepted == std::vector<uint32_t>{7, 7, 9});
  REQUIRE(f.acceptor.add(f.listener.get(), 7, false).ok());
  f.reactor.turn(testing::patience_ms);
  CHECK(f.accepted() == 6);
}

TEST_CASE("accept limit: a listener that goes accepts what it may and refuses the rest") {
  for (const bool alone : {true, false}) {
    CAPTURE(alone);
    Fixture f;
    f.add(f.slow(5));
    f.connect(3);
    f.reactor.turn(testing::patience_ms);
    f.connect(97);
    if (alone) {
      f.acceptor.drain_and_remove(f.listener.get());
    } else {
      f.acceptor.drain_and_stop();
    }
    CHECK(f.accepted() + f.refused() == 100);
    CHECK(f.accepted() >= 5);
    CHECK(f.accepted() <= 8);
    f.connect(1);
    f.reactor.turn(0);
    CHECK(f.accepted() + f.refused() == 100);
  }
}

TEST_CASE("accept limit: one that pauses is drained in order, too") {
  Fixture f;
  f.add(f.slow(5));
  f.connect(20);
  f.reactor.turn(testing::patience_ms);
  REQUIRE(f.sink.held_back.size() == 1);
  f.acceptor.drain_and_remove(f.listener.get());
  CHECK(f.accepted() + f.refused() == 20);
  CHECK(f.reactor.armed_timers() == 0);
}

TEST_CASE("accept limit: stop from within a refusal, and a stop during the pause") {
  Fixture f;
  f.add(f.slow(1, 1));
  f.sink.stop_after = 3;
  f.connect(20);
  f.turn_until([&] { return f.refused() == 3; });
  while (f.reactor.armed_timers() > 0) f.reactor.turn(testing::patience_ms);
  CHECK(f.refused() == 3);
  Fixture g;
  g.add(g.slow(1, 1));
  g.connect(5);
  g.reactor.turn(testing::patience_ms);
  g.acceptor.stop();
  while (g.reactor.armed_timers() > 0) g.reactor.turn(testing::patience_ms);
  CHECK(g.accepted() == 1);
  CHECK(g.refused() == 0);
}

TEST_CASE("accept limit: without descriptors it pauses as ever, and then goes on") {
  Fixture f;
  f.add(f.slow(3, 1));
  f.connect(10);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const int lowest_free = ::dup(0);
  ::close(lowest_free);
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(lowest_free);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  f.reactor.turn(testing::patience_ms);
  const size_t accepted = f.accepted();
  const int error = f.acceptor.pause_error();
  ::setrlimit(RLIMIT_NOFILE, &before);
  CHECK(accepted == 0);
  CHECK(error == EMFILE);
  f.turn_until([&] { return f.accepted() + f.refused() == 10; });
  CHECK(f.accepted() >= 3);  // what the failed attempts had taken was given back
}

TEST_CASE("accept limit: a listener that is shut down while it pauses is lost") {
  class Lost final : public AcceptSink {
   public:
    void on_accept(int fd, const Address&, uint32_t) override { sys::close(fd); }
    void on_listener_lost(uint32_t listener) override { lost.push_back(listener); }
    std::vector<uint32_t> lost;
  };
  Fixture f;
  Lost sink;
  Acceptor acceptor(f.reactor, sink);
  REQUIRE(acceptor.add(f.listener.get(), 7, false, {&f.rate, {50, 1}, for_hours}).ok());
  f.connect(10);
  f.reactor.turn(testing::patience_ms);
  REQUIRE(::shutdown(f.listener.get(), SHUT_RDWR) == 0);
  f.turn_until([&] { return !sink.lost.empty(); });
  CHECK(sink.lost == std::vector<uint32_t>{7});
}

}  // namespace
}  // namespace sluice
