// Heartbeat: since when a loop has been busy with the same turn, for another process to read from
// memory that both share. One writer, the loop; two plain stores a turn.
#pragma once

#include <atomic>
#include <cstdint>

namespace sluice {

// All zero, as memory comes from the kernel, is a loop that waits.
class Heartbeat {
 public:
  // Before the wait. Who waits is well, however long it takes.
  void rest() { busy_since_ms_.store(0, std::memory_order_relaxed); }
  // Behind it, with the turn's clock (sys::monotonic_ms(), the same in all processes).
  void work(uint64_t now_ms) { busy_since_ms_.store(now_ms, std::memory_order_relaxed); }
  // When the turn that is under way began; 0 in the wait.
  uint64_t busy_since_ms() const { return busy_since_ms_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> busy_since_ms_{0};
};
static_assert(std::atomic<uint64_t>::is_always_lock_free);

}  // namespace sluice
