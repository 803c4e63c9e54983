// RecentTotals: what it keeps, for how long, and never more.
#include "core/process/recent_totals.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

namespace sluice {
namespace {

constexpr uint64_t hour_ms = 3'600'000;

Totals refusing(uint64_t count) {
  Totals totals;
  totals.refused[answer_place(404)] = count;
  return totals;
}

TEST_CASE("recent totals: points are told from the oldest on, no more than five minutes of them") {
  RecentTotals recent;
  CHECK(recent.points() == Json::array());
  for (uint64_t second = 0; second < 1'000; ++second) {
    Totals totals;
    totals.sessions = 7;
    totals.handshakes = 2 * second;
    totals.messages = 3 * second;
    totals.bytes = 4 * second;
    recent.note(totals, 1'000 * second);
  }
  const Json points = recent.points();
  REQUIRE(points.size() == RecentTotals::most_points);
  CHECK(points[0] == Json({699'000, 7, 1'398, 2'097, 2'796}));
  CHECK(points.back() == Json({999'000, 7, 1'998, 2'997, 3'996}));
}

TEST_CASE("recent totals: refusals of before it began are none of its hour") {
  RecentTotals recent;
  CHECK(recent.refused(refusing(9), 5) == Json({{"over_s", 0}, {"by", Json::object()}}));
  recent.note(refusing(10), 1'000);
  recent.note(refusing(12), 2'000);
  CHECK(recent.refused(refusing(15), 31'000) == Json({{"over_s", 30}, {"by", {{"404", 5}}}}));
}

TEST_CASE("recent totals: what is more than an hour ago is forgotten") {
  RecentTotals recent;
  for (uint64_t minute = 0; minute <= 200; ++minute) {
    recent.note(refusing(minute), minute * RecentTotals::minute_ms);
  }
  const uint64_t now_ms = 200 * RecentTotals::minute_ms;
  CHECK(recent.refused(refusing(200), now_ms) == Json({{"over_s", 3'600}, {"by", {{"404", 60}}}}));
  CHECK(recent.refused(refusing(200), now_ms + 30'000) ==
        Json({{"over_s", 3'570}, {"by", {{"404", 59}}}}));
  // A keeper that was stopped for long: what it last saw is all that it can compare with.
  CHECK(recent.refused(refusing(203), now_ms + 3 * hour_ms) ==
        Json({{"over_s", 10'800}, {"by", {{"404", 3}}}}));
}

TEST_CASE("recent totals: answers that refuse nothing are not told") {
  RecentTotals recent;
  Totals totals;
  recent.note(totals, 0);
  totals.refused[answer_place(301)] = 4;
  totals.refused[answer_place(101)] = 4;
  totals.refused[answer_place(0)] = 1;
  totals.refused[answer_places + static_cast<size_t>(TurnedAway::rate)] = 2;
  CHECK(recent.refused(totals, 1'000)["by"] == Json({{"none", 1}, {"handshake_rate", 2}}));
}

}  // namespace
}  // namespace sluice
