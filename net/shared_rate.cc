// SharedRate: a compare-and-swap each, relaxed, because nothing else is published by it.
#include "net/shared_rate.h"

#include <algorithm>

namespace sluice {

namespace {

constexpr uint64_t second_ns = 1'000'000'000;

uint64_t interval_of(const SharedRate::Limit& limit) {
  return second_ns / limit.a_second;
}

}  // namespace

uint64_t SharedRate::take(const Limit& limit, uint64_t now_ns) {
  const uint64_t interval = interval_of(limit);
  const uint64_t most_ahead = (limit.burst - 1) * interval + lateness_ns;
  uint64_t earned = earned_ns_.load(std::memory_order_relaxed);
  for (;;) {
    uint64_t ahead = std::max(earned, now_ns) - now_ns;
    // By this limit it is at most an interval more; a process whose clock was read earlier sees
    // that much more.
    if (ahead > most_ahead + interval + second_ns) ahead = most_ahead + interval;
    const bool taken = ahead <= most_ahead;
    const uint64_t next = now_ns + ahead + (taken ? interval : 0);
    if (next == earned ||
        earned_ns_.compare_exchange_weak(earned, next, std::memory_order_relaxed)) {
      return taken ? 0 : ahead - most_ahead;
    }
  }
}

void SharedRate::give_back(const Limit& limit) {
  earned_ns_.fetch_sub(interval_of(limit), std::memory_order_relaxed);
}

}  // namespace sluice
