// Timers against a model: what expires, in which order, and how long one may wait.
#include "net/timers.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <utility>
#include <vector>

namespace sluice {
namespace {

std::vector<uint64_t> expire_all(Timers& timers, uint64_t now_ms) {
  std::vector<uint64_t> cookies;
  uint64_t cookie = 0;
  while (timers.expire_next(now_ms, cookie)) cookies.push_back(cookie);
  return cookies;
}

using Cookies = std::vector<uint64_t>;

TEST_CASE("timers: a deadline expires at its millisecond, not before") {
  Timers timers(1000);
  timers.arm(1010, 7);
  CHECK(expire_all(timers, 1009).empty());
  CHECK(timers.armed() == 1);
  CHECK(expire_all(timers, 1010) == Cookies{7});
  CHECK(timers.armed() == 0);
  CHECK(expire_all(timers, 5000).empty());
}

TEST_CASE("timers: one jump of the clock expires the earliest first") {
  Timers timers(0);
  const uint64_t deadlines[] = {70'000, 5, 4095, 64, 4096, 300'000'000, 63, 65, 262'144};
  for (const uint64_t deadline : deadlines) timers.arm(deadline, deadline);
  Cookies expected(std::begin(deadlines), std::end(deadlines));
  std::sort(expected.begin(), expected.end());
  CHECK(expire_all(timers, 300'000'000) == expected);
}

TEST_CASE("timers: a deadline that has passed expires at the next tick") {
  Timers timers(500);
  timers.arm(10, 1);
  timers.arm(500, 2);
  CHECK(expire_all(timers, 500).empty());
  CHECK(timers.wait_ms(500) == 1);
  CHECK(expire_all(timers, 501) == Cookies{1, 2});
}

TEST_CASE("timers: a clock that stands still or runs backwards expires nothing") {
  Timers timers(100);
  timers.arm(101, 1);
  CHECK(expire_all(timers, 100).empty());
  CHECK(expire_all(timers, 3).empty());
  CHECK(expire_all(timers, 101) == Cookies{1});
}

TEST_CASE("timers: each boundary between levels, from clocks that are not aligned") {
  for (const uint64_t start : {uint64_t{0}, uint64_t{1}, uint64_t{63}, uint64_t{64}, uint64_t{4097},
                               (uint64_t{1} << 36) - 1}) {
    for (unsigned shift = 0; shift <= 38; ++shift) {
      for (const int offset : {-1, 0, 1}) {
        const uint64_t distance = (uint64_t{1} << shift) + static_cast<uint64_t>(offset);
        if (distance == 0) continue;
        CAPTURE(start);
        CAPTURE(distance);
        Timers timers(start);
        timers.arm(start + distance, 9);
        CHECK(expire_all(timers, start + distance - 1).empty());
        CHECK(expire_all(timers, start + distance) == Cookies{9});
      }
    }
  }
}

TEST_CASE("timers: deadlines beyond the wheel's two years") {
  Timers timers(12'345);
  const uint64_t far_ms = (uint64_t{5} << 36) + 77;
  timers.arm(far_ms, 1);
  timers.arm(UINT64_MAX, 2);
  uint64_t now_ms = 12'345;
  while (now_ms < far_ms - 1) {
    const int wait = timers.wait_ms(now_ms);
    REQUIRE(wait > 0);
    now_ms = std::min(now_ms + static_cast<uint64_t>(wait), far_ms - 1);
    REQUIRE(expire_all(timers, now_ms).empty());
  }
  CHECK(expire_all(timers, far_ms) == Cookies{1});
  CHECK(timers.armed() == 1);
}

TEST_CASE("timers: cancelled ones never expire, and their places are used again") {
  Timers timers(0);
  const TimerId first = timers.arm(10, 1);
  const TimerId second = timers.arm(10, 2);
  const TimerId third = timers.arm(5000, 3);
  CHECK(first != 0);
  timers.cancel(second);
  timers.cancel(third);
  timers.cancel(0);
  CHECK(timers.armed() == 1);
  const TimerId again = timers.arm(20, 4);
  CHECK((again == second || again == third));
  CHECK(expire_all(timers, 10'000) == Cookies{1, 4});
  CHECK(timers.wait_ms(10'000) == -1);
}

TEST_CASE("timers: what expires together may still be cancelled until it is told") {
  Timers timers(0);
  timers.arm(10, 1);
  const TimerId second = timers.arm(10, 2);
  const TimerId third = timers.arm(12, 3);
  timers.arm(12, 4);
  uint64_t cookie = 0;
  REQUIRE(timers.expire_next(20, cookie));
  CHECK(cookie == 1);
  timers.cancel(second);
  timers.cancel(third);
  REQUIRE(timers.expire_next(20, cookie));
  CHECK(cookie == 4);
  CHECK_FALSE(timers.expire_next(20, cookie));
  CHECK(timers.arm(30, 5) != timers.arm(30, 6));
}

TEST_CASE("timers: one that is armed again while it expires waits for its new deadline") {
  Timers timers(0);
  timers.arm(10, 0);
  uint64_t cookie = 0;
  uint64_t rounds = 0;
  // As a lazy idle timer does: early, so armed again, each time with the turn's clock.
  for (uint64_t now_ms = 10; now_ms <= 10'000; now_ms += 10) {
    while (timers.expire_next(now_ms, cookie)) {
      CHECK(cookie == rounds);
      ++rounds;
      timers.arm(now_ms + 100, rounds);
    }
  }
  CHECK(rounds == 100);
  CHECK(timers.armed() == 1);
}

TEST_CASE("timers: one that is armed for now while it expires does not keep the turn busy") {
  Timers timers(0);
  timers.arm(1, 1);
  uint64_t cookie = 0;
  int told = 0;
  while (told < 100 && timers.expire_next(50, cookie)) {
    ++told;
    timers.arm(50, 1);
  }
  CHECK(told == 2);  // at 1 and, since 50 was yet to come for the wheel, at 50
}

TEST_CASE("timers: the wait is never too long and ends") {
  Timers timers(0);
  CHECK(timers.wait_ms(0) == -1);
  timers.arm(50, 1);
  CHECK(timers.wait_ms(0) == 50);
  CHECK(timers.wait_ms(20) == 30);
  CHECK(timers.wait_ms(90) == 0);
  timers.arm(3, 2);
  CHECK(timers.wait_ms(0) == 3);
}

// A multimap that is told the same.
class Model {
 public:
  explicit Model(uint64_t seed) : random_(seed), now_ms_(random_() >> 20), timers_(now_ms_) {}

  void step() {
    const uint64_t choice = below(10);
    if (choice < 5) {
      arm();
    } else if (choice < 7) {
      cancel();
    } else {
      advance();
    }
    check_wait();
  }
  void finish() {
    while (!deadlines_.empty()) expire_at(std::max(now_ms_, deadlines_.rbegin()->first));
    CHECK(timers_.armed() == 0);
    CHECK(timers_.wait_ms(now_ms_) == -1);
  }

 private:
  struct Armed {
    TimerId id;
    uint64_t deadline_ms;
  };

  uint64_t below(uint64_t limit) { return random_() % limit; }
  // Every level of the wheel is as likely as the next.
  uint64_t distance() { return below(uint64_t{1} << (1 + below(38))); }

  void arm() {
    const uint64_t deadline_ms = now_ms_ + distance();
    const TimerId id = timers_.arm(deadline_ms, next_cookie_);
    armed_[next_cookie_] = Armed{id, std::max(deadline_ms, now_ms_ + 1)};
    deadlines_.emplace(armed_[next_cookie_].deadline_ms, next_cookie_);
    ++next_cookie_;
  }
  void cancel() {
    if (armed_.empty()) return;
    auto found = armed_.lower_bound(below(next_cookie_));
    if (found == armed_.end()) found = armed_.begin();
    timers_.cancel(found->second.id);
    forget(found->first);
  }
  void forget(uint64_t cookie) {
    const uint64_t deadline_ms = armed_.at(cookie).deadline_ms;
    armed_.erase(cookie);
    auto [from, to] = deadlines_.equal_range(deadline_ms);
    while (from->second != cookie) REQUIRE(++from != to);
    deadlines_.erase(from);
  }
  void advance() {
    if (below(2) == 0 || deadlines_.empty()) return expire_at(now_ms_ + distance());
    // Close to the first deadline, where being one off shows.
    expire_at(std::max(now_ms_, deadlines_.begin()->first + below(3) - 1));
  }
  void expire_at(uint64_t now_ms) {
    now_ms_ = now_ms;
    uint64_t cookie = 0;
    uint64_t latest_ms = 0;
    while (timers_.expire_next(now_ms, cookie)) {
      REQUIRE(armed_.count(cookie) == 1);
      const uint64_t deadline_ms = armed_[cookie].deadline_ms;
      REQUIRE(deadline_ms <= now_ms);
      REQUIRE(deadline_ms >= latest_ms);
      latest_ms = deadline_ms;
      forget(cookie);
    }
    REQUIRE((deadlines_.empty() || deadlines_.begin()->first > now_ms));
    REQUIRE(timers_.armed() == armed_.size());
  }
  void check_wait() {
    const int wait = timers_.wait_ms(now_ms_);
    if (deadlines_.empty()) {
      REQUIRE(wait == -1);
    } else {
      REQUIRE(wait > 0);
      REQUIRE(now_ms_ + static_cast<uint64_t>(wait) <= deadlines_.begin()->first);
    }
  }

  std::mt19937_64 random_;
  uint64_t now_ms_;
  Timers timers_;
  std::map<uint64_t, Armed> armed_;
  std::multimap<uint64_t, uint64_t> deadlines_;
  uint64_t next_cookie_ = 1;
};

TEST_CASE("timers: random arming, cancelling and waiting agree with a multimap") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Model model(seed);
    for (int step = 0; step < 2000; ++step) model.step();
    model.finish();
  }
}

}  // namespace
}  // namespace sluice
