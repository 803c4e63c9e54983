// ClientRates: a compare-and-swap each, relaxed, because nothing else is published by it.
#include "core/session/client_rates.h"

#include <algorithm>

namespace sluice {

namespace {

constexpr uint64_t second_ns = 1'000'000'000;

}  // namespace

ClientRates::Answer ClientRates::take(ClientKey key, const ClientRate& rate, uint64_t now_ns) {
  Answer answer;
  RateEntries::Entry& entry = entry_of(key, now_ns, answer.replaced);
  const uint64_t interval = rate.interval_ns();
  const uint64_t most_ahead = (rate.burst - 1) * interval;
  uint64_t earned = entry.earned_ns.load(std::memory_order_relaxed);
  for (;;) {
    uint64_t ahead = std::max(earned, now_ns) - now_ns;
    // By this limit it is at most an interval more, and a process whose clock was read earlier sees
    // that much more; what is beyond is an earlier conf's.
    if (ahead > most_ahead + interval + second_ns) ahead = most_ahead + interval;
    const bool taken = ahead <= most_ahead;
    const uint64_t next = now_ns + ahead + (taken ? interval : 0);
    if (next == earned ||
        entry.earned_ns.compare_exchange_weak(earned, next, std::memory_order_relaxed)) {
      answer.wait_ns = taken ? 0 : ahead - most_ahead;
      return answer;
    }
  }
}

// Each time that this begins anew another process got its entry.
RateEntries::Entry& ClientRates::entry_of(ClientKey key, uint64_t now_ns, bool& replaced) {
  const auto wanted = static_cast<uint64_t>(key);
  const size_t places[] = {static_cast<size_t>(((wanted >> 32) * buckets_.size()) >> 32),
                           static_cast<size_t>(((wanted & UINT32_MAX) * buckets_.size()) >> 32)};
  for (;;) {
    RateEntries::Entry* least = nullptr;
    uint64_t least_ns = 0;
    uint64_t owner = 0;
    for (const size_t place : places) {
      for (RateEntries::Entry& each : buckets_[place].entries) {
        const uint64_t held_by = each.key.load(std::memory_order_relaxed);
        if (held_by == wanted) return each;
        const uint64_t earned = each.earned_ns.load(std::memory_order_relaxed);
        if (least != nullptr && earned >= least_ns) continue;
        least = &each;
        least_ns = earned;
        owner = held_by;
      }
    }
    if (!least->key.compare_exchange_strong(owner, wanted, std::memory_order_relaxed)) continue;
    replaced = least_ns > now_ns;
    if (replaced) least->earned_ns.store(now_ns, std::memory_order_relaxed);
    return *least;
  }
}

}  // namespace sluice
