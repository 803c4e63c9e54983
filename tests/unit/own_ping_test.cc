// OwnPing: when a ping is due, when its peer is lost, and what excuses it.
#include "core/session/own_ping.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>

namespace sluice {
namespace {

constexpr PingTimes times{30'000, 10'000};

TEST_CASE("own_ping: the first ping comes within the interval, later ones after silence") {
  OwnPing ping;
  ping.begin(1'000, 7'000, times);
  CHECK(ping.due_in_ms(1'000, times) == 7'000);
  CHECK(ping.due_in_ms(7'999, times) == 1);
  CHECK(ping.due_in_ms(8'000, times) == 0);
  CHECK_FALSE(ping.awaited());
  ping.heard(5'000);
  CHECK(ping.due_in_ms(8'000, times) == 27'000);
}

TEST_CASE("own_ping: each session's interval is its own, and at most a tenth shorter") {
  uint32_t least = UINT32_MAX;
  uint32_t most = 0;
  std::array<int, 10> shares{};
  for (uint64_t chance = 0; chance < 30'000; ++chance) {
    const PingTimes own = own_times(times, chance * 7'919);
    CHECK(own.timeout_ms == times.timeout_ms);
    CHECK(own.interval_ms == own_times(times, chance * 7'919).interval_ms);
    least = std::min(least, own.interval_ms);
    most = std::max(most, own.interval_ms);
    ++shares[std::min((times.interval_ms - own.interval_ms) / 300, 9u)];
  }
  CHECK(least == 27'000);
  CHECK(most == 30'000);
  for (const int share : shares) CHECK(share > 2'500);
  CHECK(own_times({1, 5}, 12'345).interval_ms == 1);
  CHECK(own_times({19, 5}, 12'345).interval_ms >= 18);
}

TEST_CASE("own_ping: who says anything after a ping lives, who says nothing is lost in time") {
  OwnPing ping;
  ping.begin(0, 30'000, times);
  ping.sent(30'000, 1, 0);
  CHECK(ping.awaited());
  CHECK(ping.due_in_ms(39'999, times) == 1);
  CHECK(ping.due_in_ms(40'000, times) == 0);
  ping.heard(39'000);
  CHECK_FALSE(ping.awaited());
  CHECK(ping.due_in_ms(40'000, times) == 29'000);
}

TEST_CASE("own_ping: time in which it is not read does not count") {
  OwnPing ping;
  ping.begin(0, 1, times);
  ping.sent(1'000, 1, 0);
  ping.unread(9'000);
  CHECK(ping.due_in_ms(11'000, times) == 8'000);
  CHECK(ping.due_in_ms(19'000, times) == 0);
}

TEST_CASE("own_ping: who takes what was sent before the ping lives, whatever was sent behind it") {
  for (const uint32_t begun : {0u, 0xffffff00u}) {
    OwnPing behind;
    behind.begin(0, 1, times);
    behind.sent(1'000, 1, begun);
    behind.delivered(begun + 1'000, 11'000);
    CHECK(behind.due_in_ms(11'000, times) == 10'000);
    behind.delivered(begun + 1'000, 21'000);
    CHECK(behind.due_in_ms(21'000, times) == 0);
  }
}

TEST_CASE("own_ping: that the ping itself arrived is no sign of life") {
  OwnPing alone;
  alone.begin(0, 1, times);
  alone.sent(1'000, 1, 5'000);
  alone.delivered(5'000 - 10, 6'000);  // it is on its way
  alone.delivered(5'000, 11'000);
  CHECK(alone.due_in_ms(11'000, times) == 0);
}

TEST_CASE("own_ping: a pong answers once, the latest one measures, and late ones are still ours") {
  OwnPing ping;
  ping.begin(0, 1, times);
  CHECK_FALSE(ping.answered(100, 200));
  CHECK_FALSE(ping.take_answer());
  ping.sent(1'000, 100, 0);
  ping.sent(2'000, 5'000, 0);
  CHECK(ping.expects_pongs());
  CHECK(ping.answered(100, 6'000));
  CHECK(ping.take_answer() == 0u);
  CHECK(ping.round_trip_us() == 0);
  CHECK(ping.answered(5'000, 7'500));
  CHECK(ping.take_answer() == 2'500u);
  CHECK_FALSE(ping.take_answer());
  CHECK(ping.round_trip_us() == 2'500);
  CHECK_FALSE(ping.expects_pongs());
  CHECK_FALSE(ping.answered(5'000, 8'000));  // a second one is a peer's own matter
}

TEST_CASE("own_ping: the clock may wrap anywhere") {
  for (const uint32_t offset : {0u, 0xfffff000u, 0xffffffffu, 0x7fffff00u}) {
    CAPTURE(offset);
    OwnPing ping;
    ping.begin(offset, 500, times);
    CHECK(ping.due_in_ms(offset, times) == 500);
    CHECK(ping.due_in_ms(offset + 500, times) == 0);
    ping.sent(offset + 500, 1, 0);
    CHECK(ping.due_in_ms(offset + 600, times) == 9'900);
    ping.unread(offset + 5'000);
    CHECK(ping.due_in_ms(offset + 14'999, times) == 1);
    CHECK(ping.due_in_ms(offset + 15'000, times) == 0);
  }
}

}  // namespace
}  // namespace sluice
