// SharedRate: how often something may happen in a second, counted over all who share its memory,
// threads or processes.
#pragma once

#include <atomic>
#include <cstdint>

namespace sluice {

// Good where its memory is all zero, and at every instant: who dies leaves nothing undone. It is
// one point in time (the generic cell rate algorithm): what was taken is earned by then. Each on a
// cache line of its own.
class alignas(64) SharedRate {
 public:
  struct Limit {
    uint32_t a_second = 0;  // at least 1
    uint32_t burst = 0;     // so many at once after a pause; at least 1

    bool operator==(const Limit&) const = default;
  };

  // Who comes late by so much still gets what was due meanwhile, so that timers of a millisecond
  // and turns of some keep the rate; as much may be had at once, where that is more than `burst`.
  static constexpr uint64_t lateness_ns = 10'000'000;

  // Takes one, where one may be had at that time of the monotonic clock, and returns 0; else the
  // nanoseconds until one may. Those who share it may hand in different limits for a while, as a
  // reload brings it about: what an earlier one still held back is let go within a second.
  uint64_t take(const Limit& limit, uint64_t now_ns);
  // One that was taken with that limit was not needed.
  void give_back(const Limit& limit);

 private:
  std::atomic<uint64_t> earned_ns_{0};
};
static_assert(std::atomic<uint64_t>::is_always_lock_free);

}  // namespace sluice
