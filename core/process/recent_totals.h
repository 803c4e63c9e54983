// RecentTotals: what sluice did in the last five minutes, second by second, and what it refused in
// the last hour. It has a bound, whatever happens.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "core/observe/json.h"
#include "core/process/overview.h"

namespace sluice {

class RecentTotals {
 public:
  static constexpr size_t most_points = 301;  // so that there are 300 differences
  static constexpr uint64_t minute_ms = 60'000;
  static constexpr size_t most_minutes = 61;

  // What is so now, by the monotonic clock; about once a second. May throw std::bad_alloc, and has
  // taken in nothing then, or half of it, which does no harm.
  void note(const Totals& totals, uint64_t now_ms);

  // Of the oldest first, each [now_ms, sessions, handshakes, messages, bytes].
  Json points() const;
  // {"over_s": for how long, 3600 at most, "by": {reason: how many}}.
  Json refused(const Totals& totals, uint64_t now_ms) const;

 private:
  struct Point {
    uint64_t at_ms;
    std::array<uint64_t, 4> numbers;
  };
  struct Minute {
    uint64_t at_ms;
    std::array<uint64_t, Totals::refusal_places> refused;
  };

  std::deque<Point> points_;
  std::deque<Minute> minutes_;
};

}  // namespace sluice
