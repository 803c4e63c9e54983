// Direction: one way through a session. It receives from one leg into a ring, judges frames where
// they lie, and sends them to the other leg; large frames' payload passes through a pipe instead,
// unseen and without being copied. It decides nothing about the session's life.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/observe/counters.h"
#include "core/session/leg.h"
#include "core/session/own_ping.h"
#include "core/session/transit.h"

namespace sluice {

// So many bytes may come early, behind a handshake. They fit the smallest ring: a full one may turn
// out to be that small when the budget is spent.
inline constexpr size_t most_early_bytes = BufferPool::tiny_bytes - close_reserve_bytes;

// How a Close of ours behaves inside a frame that has gone out in part.
enum class MidFrame : uint8_t {
  await_end,      // the source goes on: the Close stands behind the frame
  await_message,  // behind the whole message, also where it is between two of its frames
  give_up,
};

// Why pump() came back.
enum class PumpEnd : uint8_t {
  waiting,        // for an edge of either leg
  more,           // the source may have more: run again, after others
  closed,         // the source's Close was accepted and is queued or sent
  faulty,         // the source broke the protocol; fault_code() and fault_reason() say how
  source_ended,   // FIN, and everything before it is queued or sent
  source_failed,  // the same for an error (RST)
  target_failed,  // nothing can be sent any more
};

// The two ends that a pump works between, and its means. References are good for the call.
struct Between {
  Leg& source;
  Leg& target;
  TransitPool& transits;
  const FrameRules& rules;  // whose counts are those of `counts`
  TrafficCounters& counts;  // of the route, from that source
  uint32_t now_ms;          // the low 32 bits of the reactor's clock: only differences count
  bool toward_upstream;     // our own frames are masked there
  bool light_beside;        // sessions that move little are being served, too
  // So much may be received in this call, beside what is only dropped.
  uint64_t most_bytes = UINT64_MAX;
  // Of pings toward the source, while one is under way: its pong goes no further. Else null.
  OwnPing* ping = nullptr;
  // What left the queue in this call without being sent, less frames of ours that were put there,
  // modulo 2^64. The call begins with 0.
  mutable uint64_t removed = 0;
};

//      close_with, inside a frame or message
//   flowing ---------------------> finishing --(boundary)--> draining
//      |  \---- the source's own Close, close_with, or target lost ---/
//      \---- end_without_close --> ended
class Direction {
 public:
  Direction() = default;
  Direction(const Direction&) = delete;
  Direction& operator=(const Direction&) = delete;

  enum class Mode : uint8_t {
    flowing,    // frames travel
    finishing,  // on to the end of the current frame or message, then a Close of ours
    draining,   // a Close is queued or sent: the source is read and dropped
    ended,      // the same without a Close: what is queued is the last that the target gets
  };

  // One pump splices so often where nobody is made to wait: only the second look tells that the
  // source has nothing more.
  static constexpr int splicing_rounds_a_pump = 2;
  // Where somebody waits, one pump splices once, so many bytes at most.
  static constexpr size_t short_splice_bytes = 128 * 1024;

  // Moves what can be moved without waiting, at most a full ring or two full pipes; then others get
  // their turn. Every outcome but `waiting` and `more` is told once.
  PumpEnd pump(const Between& path);

  // Puts bytes that arrived with the handshake, at most most_early_bytes, before whatever the
  // source sends next, and judges them: outcomes as pump().
  PumpEnd begin_with(const Between& path, std::span<const uint8_t> early);

  // Puts a ping of ours behind what is queued, for the next pump() to send. To be called at_rest().
  void inject_ping(const Between& path, std::span<const uint8_t, own_ping_bytes> payload);

  // Sends a Close with that code and reason behind what is queued; the reason outlives the wait.
  // With MidFrame::await_message inside a message its rest is awaited (finishing). Else inside a
  // frame: what was not sent of it is taken back, where none of it was sent; where some was, with
  // MidFrame::await_end, its rest is awaited. Returns false where none of this is possible: only an
  // abort tells the target the truth. Does nothing when a Close is on its way already; one that
  // waits for a message's end can be told not to.
  [[nodiscard]] bool close_with(const Between& path, CloseCode code, MidFrame mid_frame,
                                std::string_view reason = {});

  // Ends the way to the target behind what is queued, without a Close: its connection's end is what
  // is to tell it, once delivered(). Of a frame begun nothing goes out where none of it was sent.
  // Returns false where some was: only an abort tells the target the truth. Does nothing once
  // over().
  [[nodiscard]] bool end_without_close(const Between& path);

  // The target is gone: whatever is queued is dropped, which is counted.
  void drop(TransitPool& transits, TrafficCounters& counts);
  // The end: the same, and gives back everything borrowed.
  void release(TransitPool& transits, TrafficCounters& counts);
  // Counts how long the target has been waited for since that was last counted.
  void count_wait(TrafficCounters& counts, uint32_t now_ms) const;

  // Conveyor::shrink.
  void shrink(TransitPool& transits);

  Mode mode() const { return mode_; }
  // Nothing more of the source travels on than what is queued.
  bool over() const { return mode_ == Mode::draining || mode_ == Mode::ended; }
  bool delivered() const { return queued() == 0; }
  // Nothing is under way, neither bytes nor a frame nor a message.
  bool at_rest() const { return transit_ == nullptr && mode_ == Mode::flowing; }
  // A message is here that may not begin yet. The source is not read meanwhile.
  bool holds_back() const { return transit_ != nullptr && transit_->held; }
  size_t queued() const { return transit_ == nullptr ? 0 : transit_->conveyor.queued(); }
  // The same without a ping of ours.
  size_t queued_frames() const { return transit_ == nullptr || transit_->only_ping ? 0 : queued(); }
  // As Conveyor says it.
  bool stalled() const { return transit_ != nullptr && transit_->conveyor.stalled(); }
  uint32_t stalled_since_ms() const {
    return stalled() ? transit_->conveyor.stalled_since_ms() : 0;
  }
  uint32_t nothing_delivered_since_ms() const {
    return stalled() ? transit_->conveyor.nothing_delivered_since_ms() : 0;
  }
  uint32_t queued_since_ms() const {
    return transit_ == nullptr ? 0 : transit_->conveyor.queued_since_ms();
  }
  void note_undelivered(uint32_t bytes, uint32_t now_ms);

  // Where the source is in its frames, as FrameScanner says it; the last two after `faulty`.
  bool at_boundary() const { return transit_ == nullptr || transit_->scanner.at_boundary(); }
  bool moves_large_frames() const { return scanned().large_frame; }
  uint16_t peer_close_code() const {
    return transit_ == nullptr ? 0 : transit_->scanner.peer_close_code();
  }
  CloseCode fault_code() const;
  const char* fault_reason() const;  // static text
  // FrameScanner::explanation, where the source is at fault in these words; else "".
  std::string explanation_of(const char* reason, const FrameRules& rules) const;
  // Accepted from the source.
  uint64_t messages() const { return scanned().messages; }
  uint64_t bytes() const { return bytes_; }  // of frames

 private:
  class Account;

  bool flush(const Between& path);
  PumpEnd fill(const Between& path);
  PumpEnd splice_through(const Between& path);
  PumpEnd discard(const Between& path);
  bool may_receive(const Between& path) const;
  PumpEnd nothing_received(const Between& path, const Io& io);
  PumpEnd scan(const Between& path);
  FrameScanner::Scan scan_piece(const Between& path, std::span<const uint8_t> bytes);
  bool may_splice(const Between& path) const;
  void give_back_idle(const Between& path);
  void queue_close(const Between& path);
  void queue_own(const Between& path, std::span<const uint8_t> frame);
  void take_out_pong(const Between& path, const FrameScanner::Scan& seen);
  bool at_message_boundary();
  bool take_back_frame(const Between& path);

  const FrameScanner::Lasting& scanned() const {
    return transit_ == nullptr ? lasting_ : transit_->scanner.lasting();
  }
  Transit& borrow_transit(TransitPool& transits);
  void settle_transit(TransitPool& transits);
  void return_transit(TransitPool& transits);

  // A session has two directions, and one that idles is hardly more than they are.
  Transit* transit_ = nullptr;  // borrowed; null at rest
  uint64_t bytes_ = 0;
  [[no_unique_address]] FrameScanner::Lasting
      lasting_;  // good at rest; its tail has room for mode_
  Mode mode_ = Mode::flowing;
};

static_assert(sizeof(Direction) <= 32);

}  // namespace sluice
