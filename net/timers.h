// Timers: deadlines in a hierarchical wheel of 1 ms ticks. Arming, cancelling and expiring cost
// O(1); what a timer means is its owner's, who finds it by the cookie.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "net/slab.h"

namespace sluice {

// Names an armed timer until it expires or is cancelled; 0 names none.
using TimerId = uint32_t;

class Timers {
 public:
  explicit Timers(uint64_t now_ms);

  // `deadline_ms` is on the clock given to the constructor; one that has passed expires at the next
  // tick. Allocates only when more timers are armed than ever before.
  TimerId arm(uint64_t deadline_ms, uint64_t cookie);
  void cancel(TimerId id);  // 0 is allowed

  // Moves the clock on to the next timer that expires by `now_ms`, earliest first, and takes it:
  // its id is free again. False once none is left. It takes one at a time, so that
  // its handler may still cancel the others. A clock that stands still or runs backwards expires
  // nothing.
  bool expire_next(uint64_t now_ms, uint64_t& cookie);

  // Milliseconds until something may expire, rounded down to where the wheel must be looked at, or
  // -1 when no timer is armed. Never late; may be early for far deadlines.
  int wait_ms(uint64_t now_ms) const;

  size_t armed() const { return armed_; }

 private:
  static constexpr uint32_t slot_bits = 6;
  static constexpr uint32_t slots = 1u << slot_bits;
  static constexpr uint32_t levels = 6;  // 2^36 ms, two years
  static constexpr uint32_t heads = levels * slots;

  // Nodes 0 to heads - 1 are the list heads, one a slot; a TimerId is a node's index.
  struct Node {
    uint64_t deadline_ms = 0;
    uint64_t cookie = 0;
    uint32_t next = 0;
    uint32_t previous = 0;
  };

  void link(uint32_t index);
  void unlink(uint32_t index);
  void cascade();
  uint64_t next_look_ms() const;

  Slab<Node> nodes_;
  std::array<uint64_t, levels> occupied_{};  // one bit a slot
  uint32_t first_free_ = 0;
  uint64_t now_ms_;
  size_t armed_ = 0;
};

}  // namespace sluice
