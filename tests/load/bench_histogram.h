// Histogram: counts of durations in log-linear buckets, in constant memory: every power of two is
// split into 32 equal buckets, so that a quantile is at most 1.6 % off.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace sluice::load {

// A value of 10 KiB; one per thread, added up at the end.
class Histogram {
 public:
  static constexpr unsigned split_bits = 5;
  static constexpr unsigned value_bits = 43;  // nanoseconds: 2.4 hours; longer ones count as that
  static constexpr uint64_t most_value = (uint64_t{1} << value_bits) - 1;

  void add(uint64_t value) {
    value = std::min(value, most_value);
    ++counts_[bucket_of(value)];
    ++count_;
    max_ = std::max(max_, value);
  }

  void add(const Histogram& other) {
    for (size_t i = 0; i < buckets; ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
    max_ = std::max(max_, other.max_);
  }

  uint64_t count() const { return count_; }
  uint64_t max() const { return max_; }  // exact

  // The value that a share `q` (0 to 1) of all values does not exceed: the middle of its bucket, or
  // the greatest value where that is less. 0 where nothing was added.
  uint64_t quantile(double q) const {
    if (count_ == 0) return 0;
    const double wanted = std::ceil(q * static_cast<double>(count_));
    const uint64_t rank = std::clamp<uint64_t>(static_cast<uint64_t>(wanted), 1, count_);
    uint64_t seen = 0;
    for (size_t i = 0; i < buckets; ++i) {
      seen += counts_[i];
      if (seen >= rank) return std::min(middle_of(i), max_);
    }
    return max_;
  }

 private:
  static constexpr uint64_t split = uint64_t{1} << split_bits;
  static constexpr size_t buckets = (value_bits - split_bits + 1) * split;

  // Values below `split` have a bucket each. Above, `shift` halves a value until it is within
  // [split, 2 * split), and the buckets of one shift lie together.
  static size_t bucket_of(uint64_t value) {
    if (value < split) return value;
    const auto shift = static_cast<unsigned>(std::bit_width(value)) - split_bits - 1;
    return (shift << split_bits) + (value >> shift);
  }

  static uint64_t middle_of(size_t bucket) {
    if (bucket < 2 * split) return bucket;
    const size_t shift = (bucket >> split_bits) - 1;
    const uint64_t lowest = (bucket - (shift << split_bits)) << shift;
    return lowest + (uint64_t{1} << shift) / 2;
  }

  std::array<uint64_t, buckets> counts_{};
  uint64_t count_ = 0;
  uint64_t max_ = 0;
};

}  // namespace sluice::load
