// Counter: written by one thread, read by any. An ordinary addition, no locked instruction.
#pragma once

#include <atomic>
#include <cstdint>

namespace sluice::load {

class Counter {
 public:
  void add(uint64_t more) {
    value_.store(value_.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  }
  void subtract(uint64_t less) {
    value_.store(value_.load(std::memory_order_relaxed) - less, std::memory_order_relaxed);
  }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace sluice::load
