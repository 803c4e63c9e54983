// RateBucket: how much of something may still come, at so much a second and so much at once.
#pragma once

#include <algorithm>
#include <cstdint>

namespace sluice {

// Both at most 2^50. Where `burst` is less than what 20 ms bring, so much
// is let through at once: a timer cannot portion it any finer.
struct BucketLimit {
  uint64_t a_second = 0;  // 0: unlimited
  uint64_t burst = 0;

  uint64_t most() const { return std::max({burst, a_second / 50, uint64_t{1}}); }
};

// Full at first. Times are the low 32 bits of a clock in milliseconds. The owner may take more than
// is there: it is owed then, and awaited before there is anything again.
class RateBucket {
 public:
  uint64_t left(const BucketLimit& limit, uint32_t now_ms) const {
    const uint64_t owed = owed_at(limit, now_ms);
    const uint64_t most = limit.most() * scale;
    return owed < most ? (most - owed) / scale : 0;
  }
  void take(uint64_t amount, const BucketLimit& limit, uint32_t now_ms) {
    owed_ = owed_at(limit, now_ms) + amount * scale;
    at_ms_ = now_ms;
  }
  // More was taken than was there.
  bool exceeded(const BucketLimit& limit, uint32_t now_ms) const {
    return owed_at(limit, now_ms) > limit.most() * scale;
  }
  // In how many milliseconds there will be enough again that it is worth a look: what 10 ms bring.
  uint32_t wait_ms(const BucketLimit& limit, uint32_t now_ms) const {
    const uint64_t wanted = std::max(limit.a_second / 100, uint64_t{1}) * scale;
    const uint64_t allowed = limit.most() * scale - std::min(wanted, limit.most() * scale);
    const uint64_t owed = owed_at(limit, now_ms);
    if (owed <= allowed) return 0;
    const uint64_t wait = (owed - allowed + limit.a_second - 1) / limit.a_second;
    return static_cast<uint32_t>(std::min(wait, uint64_t{UINT32_MAX / 4}));
  }

 private:
  static constexpr uint64_t scale = 1'000;  // what a millisecond brings is a whole number

  uint64_t owed_at(const BucketLimit& limit, uint32_t now_ms) const {
    const uint64_t passed_ms = now_ms - at_ms_;
    return owed_ / limit.a_second < passed_ms ? 0 : owed_ - passed_ms * limit.a_second;
  }

  uint64_t owed_ = 0;  // in thousandths
  uint32_t at_ms_ = 0;
};

}  // namespace sluice
