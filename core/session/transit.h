// Transit: what a direction needs while something of it is under way, namely bytes, a frame or a
// message. At rest, which is where an idle session's directions are, it holds none. Transits are
// lent last-in first-out like the buffers in them, so that few serve many sessions and stay hot.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/session/conveyor.h"
#include "net/ring.h"
#include "net/slab.h"
#include "protocol/frames.h"

namespace sluice {

struct Transit {
  Transit() = default;
  explicit Transit(const FrameScanner& resumed) : scanner(resumed) {}

  Conveyor conveyor;
  FrameScanner scanner;
  Transit* next_free = nullptr;  // the pool's, while nobody has it
  // A Close of ours that waits, for that boundary. Its reason is the session's (CloseReasons).
  std::string_view close_reason = {};
  CloseCode close_code = CloseCode::normal;
  Boundary close_at = Boundary::frame;
  bool only_ping = false;  // all that is queued is a ping of ours
  bool held = false;       // a message waits in the ring for its turn (FrameRules::most_messages)
};

// One per worker and thread; outlives every borrower. As many as were ever lent at once stay: two
// for a session at most.
class TransitPool {
 public:
  // What transits borrow comes from `buffers`, which outlives this.
  explicit TransitPool(BufferPool& buffers) : buffers_(buffers) {}
  TransitPool(const TransitPool&) = delete;
  TransitPool& operator=(const TransitPool&) = delete;

  // Lends one that holds nothing; its scanner goes on from `resumed`. Throws std::bad_alloc.
  Transit* borrow(const FrameScanner& resumed);
  // Whatever it holds is dropped.
  void give_back(Transit* transit);

  size_t lent() const { return lent_; }
  BufferPool& buffers() { return buffers_; }

 private:
  BufferPool& buffers_;
  Slab<Transit> transits_;
  Transit* first_free_ = nullptr;
  size_t lent_ = 0;
};

}  // namespace sluice
