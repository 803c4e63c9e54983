// Numbers are kept as they were, not their differences: a point that was missed then makes none
// wrong.
#include "core/process/recent_totals.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace sluice {

void RecentTotals::note(const Totals& totals, uint64_t now_ms) {
  points_.push_back({now_ms, {totals.sessions, totals.handshakes, totals.messages, totals.bytes}});
  if (points_.size() > most_points) points_.pop_front();
  if (!minutes_.empty() && now_ms < minutes_.back().at_ms + minute_ms) return;
  minutes_.push_back({now_ms, totals.refused});
  if (minutes_.size() > most_minutes) minutes_.pop_front();
}

Json RecentTotals::points() const {
  Json all = Json::array();
  for (const Point& each : points_) {
    const auto& [sessions, handshakes, messages, bytes] = each.numbers;
    all.push_back({each.at_ms, sessions, handshakes, messages, bytes});
  }
  return all;
}

Json RecentTotals::refused(const Totals& totals, uint64_t now_ms) const {
  Json by = Json::object();
  uint64_t over_ms = 0;
  if (!minutes_.empty()) {
    const uint64_t hour_ms = (most_minutes - 1) * minute_ms;
    // The latest one that is an hour old, so that not more than that hour is told.
    const auto begin = std::find_if(minutes_.begin(), minutes_.end(), [&](const Minute& each) {
      return each.at_ms + hour_ms >= now_ms;
    });
    const Minute& since = begin != minutes_.end() ? *begin : minutes_.back();
    over_ms = now_ms - std::min(now_ms, since.at_ms);
    for (size_t place = 0; place < since.refused.size(); ++place) {
      const uint64_t count = totals.refused[place] - since.refused[place];
      if (is_refusal(place) && count > 0) by[refusal_name(place)] = count;
    }
  }
  return {{"over_s", over_ms / 1000}, {"by", std::move(by)}};
}

}  // namespace sluice
