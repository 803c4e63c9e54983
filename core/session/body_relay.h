// BodyRelay: a message's body on its way from one leg to another, as it came (RFC 9112 section 6).
// It is judged where it lies and sent from there; large payloads pass through a pipe, unseen.
// Nothing is read while something is queued: back-pressure is the conveyor's.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "core/session/conveyor.h"
#include "core/session/leg.h"
#include "net/ring.h"
#include "protocol/body.h"

namespace sluice {

class BodyRelay {
 public:
  enum class Step : uint8_t {
    wait,         // for an edge of either leg
    again,        // more is there than one turn should take
    done,         // the target has all of it
    broke_off,    // the source ended, or failed, before the body did; told behind what came of it
    bad,          // scanner() says why; told behind what came before it
    target_gone,  // it takes nothing any more
  };

  // Payload of at least so many bytes in a row is worth a pipe.
  static constexpr uint64_t least_spliced_bytes = 64 * 1024;
  // So many bytes may be read beyond what is known to be the body's: they are the next message's.
  static constexpr size_t most_behind_bytes = BufferPool::tiny_bytes - close_reserve_bytes;

  // `buffers` outlives this. `length`: as BodyScanner's.
  BodyRelay(BufferPool& buffers, BodyFraming framing, uint64_t length, const BodyLimits& limits);
  BodyRelay(const BodyRelay&) = delete;
  BodyRelay& operator=(const BodyRelay&) = delete;
  ~BodyRelay();

  // Judges bytes that came with the head, at most most_behind_bytes, and returns how many of them
  // may travel: whoever sends the head sends them along. What came behind the body is kept. To be
  // called first.
  size_t begin_with(std::span<const uint8_t> early);
  // Moves what can be moved without waiting, in bounded rounds.
  Step run(Leg& source, Leg& target, uint64_t now_ms);

  // The body's last byte was received and nothing of it is queued.
  bool complete() const { return scanner_.complete() && conveyor_.queued() == 0; }
  // Takes what was received behind the body.
  std::string take_behind();

  const BodyScanner& scanner() const { return scanner_; }
  // When bytes last came or went, by the reactor's clock; 0 before the first.
  uint64_t moved_ms() const { return moved_ms_; }
  size_t queued() const { return conveyor_.queued(); }
  // As Conveyor says them, for a target that is slow.
  bool stalled() const { return conveyor_.stalled(); }
  uint32_t stalled_since_ms() const { return conveyor_.stalled_since_ms(); }
  uint32_t nothing_delivered_since_ms() const { return conveyor_.nothing_delivered_since_ms(); }
  // A look at a target that takes nothing: after shrink_after_ms a smaller ring serves it. Returns
  // whether it is still stalled.
  bool check_stall(const Leg& source, const Leg& target, uint32_t now_ms);

 private:
  Step flush(Leg& target, uint64_t now_ms);
  Step fill(Leg& source, Leg& target, uint64_t now_ms);
  bool may_splice(const Leg& source, const Leg& target) const;
  uint64_t receivable() const;
  void judge();

  BufferPool& buffers_;
  Conveyor conveyor_;
  BodyScanner scanner_;
  uint64_t moved_ms_ = 0;
  bool source_over_ = false;
};

}  // namespace sluice
