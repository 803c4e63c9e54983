// SharedRate: bursts, rates over long times whatever the clock's steps, two processes at once, and
// limits that change.
#include "net/shared_rate.h"

#include <doctest/doctest.h>
#include <signal.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <new>

#include "net/sys.h"
#include "net/sys_process.h"
#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

constexpr uint64_t ms = 1'000'000;
constexpr uint64_t second = 1'000 * ms;
// What may be had at once at a rate, by SharedRate::lateness_ns alone.
constexpr uint64_t of_lateness(uint64_t a_second) {
  return a_second * SharedRate::lateness_ns / second;
}

uint64_t take_all(SharedRate& rate, const SharedRate::Limit& limit, uint64_t now_ns) {
  uint64_t taken = 0;
  while (rate.take(limit, now_ns) == 0) ++taken;
  return taken;
}

TEST_CASE("shared rate: a burst at once, then one by one, and no sooner than it says") {
  SharedRate rate;
  const SharedRate::Limit limit{10, 4};
  uint64_t now = 7 * second;
  CHECK(take_all(rate, limit, now) == 4);
  for (int i = 0; i < 20; ++i) {
    const uint64_t wait = rate.take(limit, now);
    REQUIRE(wait > 0);
    CHECK(rate.take(limit, now + wait - 1) > 0);
    now += wait;
    CHECK(take_all(rate, limit, now) == 1);
  }
  now += 100 * second;
  CHECK(take_all(rate, limit, now) == 4);  // what was not needed is not saved
}

TEST_CASE("shared rate: exact over a long time, whatever the steps of the clock") {
  for (const uint32_t a_second : {1u, 3u, 7u, 99u, 100u, 999u, 1'000u, 30'000u, 1'000'000u}) {
    for (const uint64_t step : {ms, 7 * ms, 9 * ms + 1}) {
      for (const uint32_t burst : {1u, 2u, 50u}) {
        CAPTURE(a_second);
        CAPTURE(step);
        CAPTURE(burst);
        SharedRate rate;
        const SharedRate::Limit limit{a_second, burst};
        uint64_t taken = 0;
        constexpr uint64_t begin = 5 * second;
        constexpr uint64_t lasts = 3 * second;
        for (uint64_t now = begin; now <= begin + lasts; now += step) {
          taken += take_all(rate, limit, now);
        }
        const uint64_t due = a_second * lasts / second;
        CHECK(taken + 1 + a_second * step / second >= due);
        CHECK(taken <= due + burst + of_lateness(a_second));
      }
    }
  }
}

TEST_CASE("shared rate: the edges of the clock and of the numbers") {
  for (const uint64_t now : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 62}) {
    CAPTURE(now);
    SharedRate rate;
    CHECK(take_all(rate, {1, 1}, now) == 1);
    CHECK(rate.take({1, 1}, now) == second - SharedRate::lateness_ns);
    CHECK(rate.take({1, 1}, now + second) == 0);
    SharedRate largest;
    CHECK(take_all(largest, {1'000'000, 1'000'000}, now) == 1'000'000 + of_lateness(1'000'000));
    SharedRate slowest;
    CHECK(take_all(slowest, {1, 1'000'000}, now) == 1'000'000);
    CHECK(slowest.take({1, 1'000'000}, now + second) == 0);
  }
}

TEST_CASE("shared rate: what is given back can be had again, and no more than that") {
  SharedRate rate;
  const SharedRate::Limit limit{10, 3};
  REQUIRE(take_all(rate, limit, second) == 3);
  rate.give_back(limit);
  CHECK(take_all(rate, limit, second) == 1);
  // In a full one it leaves nothing to be had on top.
  CHECK(rate.take(limit, 100 * second) == 0);
  rate.give_back(limit);
  CHECK(take_all(rate, limit, 100 * second) == 3);
}

TEST_CASE("shared rate: another limit holds at once, and what the old one owed is let go") {
  SharedRate rate;
  REQUIRE(take_all(rate, {1, 1'000}, second) == 1'000);  // earned in a quarter of an hour
  const SharedRate::Limit fast{100, 10};
  const uint64_t wait = rate.take(fast, second);
  CHECK(wait > 0);
  CHECK(wait <= 10 * ms);
  CHECK(take_all(rate, fast, 2 * second) == 11);  // and one of lateness
  // From fast to slow: one interval of the slow one, not more.
  SharedRate other;
  REQUIRE(take_all(other, {100, 1'000}, second) == 1'001);
  CHECK(other.take({1, 1}, second) <= second);
  CHECK(other.take({1, 1}, 2 * second) == 0);
}

TEST_CASE("shared rate: who reads an earlier clock neither takes nor forgives") {
  SharedRate rate;
  const SharedRate::Limit limit{100, 10};
  take_all(rate, limit, 10 * second);
  for (const uint64_t late : {ms, 100 * ms, 900 * ms}) {
    CHECK(rate.take(limit, 10 * second - late) > late);
    CHECK(rate.take(limit, 10 * second) > 0);
  }
}

// Both at it all the time, by one and the same clock: each that there is goes to one of them.
TEST_CASE("shared rate: two processes take no more than one would") {
  struct Shared {
    SharedRate rate;
    std::array<std::atomic<uint64_t>, 2> taken;
    std::atomic<uint32_t> there;
  };
  void* const memory = sys::map_shared_memory(sizeof(Shared));
  REQUIRE(memory != nullptr);
  auto& shared = *static_cast<Shared*>(memory);
  const SharedRate::Limit limit{1'000, 300'000};
  const auto work = [&](size_t who) {
    ++shared.there;
    while (shared.there < 2) continue;
    for (uint64_t i = 0; i < 200'000; ++i) {
      if (shared.rate.take(limit, second) != 0) continue;
      if (i % 3 == 0) {
        shared.rate.give_back(limit);
      } else {
        ++shared.taken[who];
      }
    }
  };
  const pid_t child = sys::fork();
  if (child == 0) {
    work(1);
    sys::exit_now(0);
  }
  REQUIRE(child > 0);
  work(0);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  // One that was taken and given back may have been missed by the other at that moment.
  const uint64_t rest = take_all(shared.rate, limit, second);
  CHECK(shared.taken[0] + shared.taken[1] + rest == 300'000 + of_lateness(1'000));
  CHECK(shared.taken[0] > 0);
  CHECK(shared.taken[1] > 0);
  sys::unmap_memory(memory, sizeof(Shared));
}

TEST_CASE("shared rate: a process that is killed at any moment holds nothing back") {
  void* const memory = sys::map_shared_memory(sizeof(SharedRate));
  REQUIRE(memory != nullptr);
  auto& rate = *static_cast<SharedRate*>(memory);
  const SharedRate::Limit limit{1'000, 10};
  for (int i = 0; i < 20; ++i) {
    const pid_t child = sys::fork();
    if (child == 0) {
      for (;;) {
        if (rate.take(limit, sys::monotonic_ns()) == 0) rate.give_back(limit);
      }
    }
    REQUIRE(child > 0);
    while (rate.take(limit, sys::monotonic_ns()) == 0) continue;
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    const uint64_t later = sys::monotonic_ns() + second;
    CHECK(take_all(rate, limit, later) == 20);  // ten and those of lateness
    new (memory) SharedRate;
  }
  sys::unmap_memory(memory, sizeof(SharedRate));
}

}  // namespace
}  // namespace sluice
