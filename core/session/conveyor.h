// Conveyor: bytes on their way from one leg to another, in a ring or, unseen, in a pipe, and since
// when the target has taken none of them. It judges nothing: its owner says what may travel.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/session/leg.h"
#include "net/ring.h"
#include "protocol/frame_codec.h"

namespace sluice {

// Kept free behind what is received, so that a Close of ours always fits.
inline constexpr size_t close_reserve_bytes = max_control_frame_bytes;

// A target that has taken nothing for so long is served by a smaller ring.
inline constexpr uint32_t shrink_after_ms = 1'000;
// And the kernel may hold so many of its source's bytes then (it doubles the number, and counts its
// own records): else it would go on taking megabytes for it.
inline constexpr int stalled_receive_bytes = 128 * 1024;

// Part of a transit. What it borrows comes from the BufferPool that each call names, always the
// same one; the legs are the session's.
class Conveyor {
 public:
  enum class Flow : uint8_t { drained, blocked, failed };

  Conveyor() = default;
  Conveyor(const Conveyor&) = delete;
  Conveyor& operator=(const Conveyor&) = delete;

  // Holds what was received and not judged yet behind what is to be sent.
  Ring& ring() { return ring_; }
  const Ring& ring() const { return ring_; }
  // To be sent: the pipe's bytes leave before the ring's.
  size_t queued() const { return piped() + ring_.queued(); }
  bool holds_pipe() const { return pipe_ != nullptr; }
  // Nothing is borrowed and nothing has to be remembered.
  bool at_rest() const { return !ring_.held() && pipe_ == nullptr && !slow_; }

  // Sends what is queued, as far as the target takes it. `failed`: it takes nothing any more.
  Flow flush(Leg& target, uint32_t now_ms);
  // One recv of at most so many bytes into the ring, unjudged. Where there is no ring it borrows
  // one first.
  Io receive(Leg& source, BufferPool& buffers, uint64_t most = UINT64_MAX);
  // At most so many bytes of the source into the pipe; nothing may be queued. Where there is no
  // pipe it borrows one, of which one must be left.
  Io splice(Leg& source, BufferPool& buffers, uint64_t most);
  // Copies what the pipe holds into the ring, which must be empty, unjudged. False where it is too
  // much for a ring, or for what the budgets leave; the pipe keeps it, then.
  bool land(BufferPool& buffers);
  // For a target that has been stalled for long: the remainder moves into the smallest buffer that
  // holds it, and small rings serve until the source runs dry first.
  void shrink(BufferPool& buffers);
  // Gives back what is empty. What is unjudged of a source that has no more waits in a block.
  void give_back_idle(BufferPool& buffers, bool source_dry);
  // Gives everything back, with what is in it.
  void drop(BufferPool& buffers);

  // shrink() was called and the target has not kept up since.
  bool slow() const { return slow_; }
  // Waits for the target to take bytes since then (milliseconds of the turn's clock); 0 else.
  bool stalled() const { return stalled_; }
  uint32_t stalled_since_ms() const { return stalled_ ? stalled_since_ms_ : 0; }
  // Since when the oldest byte that is queued waits; 0 where none was left by the last flush().
  uint32_t queued_since_ms() const { return waits_ ? queued_since_ms_ : 0; }
  // The same as a flag, and for how long it has waited so since that was last asked.
  bool waits() const { return waits_; }
  uint32_t take_waited_ms(uint32_t now_ms);
  // As stalled_since_ms(), until something of what was sent before reached the target, as far as
  // the looks tell.
  uint32_t nothing_delivered_since_ms() const { return stalled_ ? delivered_ms_ : 0; }
  // A look at what the target's kernel side has not taken yet; only while stalled(). The first one
  // has nothing to compare with and counts as progress.
  void note_undelivered(uint32_t bytes, uint32_t now_ms);

 private:
  size_t piped() const { return pipe_ == nullptr ? 0 : pipe_->bytes; }
  void release_pipe(BufferPool& buffers);

  Ring ring_;
  Pipe* pipe_ = nullptr;  // borrowed while it holds bytes
  uint32_t stalled_since_ms_ = 0;
  uint32_t queued_since_ms_ = 0;
  uint32_t waited_until_ms_ = 0;  // while it waits: up to then that was told
  // While stalled: what of the bytes sent had not reached the target at the latest look, and when
  // that last grew less.
  uint32_t undelivered_bytes_ = UINT32_MAX;
  uint32_t delivered_ms_ = 0;
  bool waits_ = false;  // bytes are queued that a flush() left
  bool stalled_ = false;
  bool slow_ = false;
};

}  // namespace sluice
