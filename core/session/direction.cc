// At most one incomplete header or control frame stays unjudged in a ring.
#include "core/session/direction.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "net/check.h"
#include "net/scrap.h"
#include "net/sys.h"

namespace sluice {

namespace {

bool may_read(const Leg& source) {
  return source.readable && !source.input_ended;
}

// A tiny ring will do for what no header could be made of, and those are never spent. Where memory
// is, nobody has accepted what the pipe holds: it must not count as queued.
void land_unjudged(Conveyor& conveyor, BufferPool& buffers) {
  try {
    SLUICE_CHECK(conveyor.land(buffers));
  } catch (const std::bad_alloc&) {
    conveyor.drop(buffers);
    throw;
  }
}

// What masks a frame of ours toward an upstream (RFC 6455 5.3); null toward a client.
const uint8_t* own_key(const Between& path, uint8_t key[4]) {
  if (!path.toward_upstream) return nullptr;
  sys::random_bytes(key, 4);
  return key;
}

}  // namespace

// What one call has moved, counted when it ends, also where memory runs out in it. Frames of ours
// and what is dropped are counted where that happens, and noted in the path. Mostly nothing is
// queued before and behind it: that costs one add.
class Direction::Account {
 public:
  Account(const Direction& direction, const Between& path)
      : direction_(direction), path_(path), bytes_(direction.bytes_) {
    path.removed = 0;
    if (direction.transit_ != nullptr) queued_ = begin_apart();
  }
  Account(const Account&) = delete;
  Account& operator=(const Account&) = delete;

  ~Account() {
    const uint64_t accepted = direction_.bytes_ - bytes_;
    if (direction_.transit_ == nullptr && (queued_ | path_.removed) == 0) {
      path_.counts.passed.add(accepted);
    } else {
      count_apart(accepted);
    }
  }

 private:
  [[gnu::noinline]] uint64_t begin_apart() const {
    if (direction_.transit_->conveyor.waits()) direction_.count_wait(path_.counts, path_.now_ms);
    return direction_.queued();
  }
  [[gnu::noinline]] void count_apart(uint64_t accepted) const {
    TrafficCounters& counts = path_.counts;
    const uint64_t left = direction_.queued();
    if ((queued_ | left | path_.removed) == 0) return counts.passed.add(accepted);
    counts.taken.add(accepted);
    counts.let_go.add(queued_ + accepted - path_.removed - left);
  }

  const Direction& direction_;
  const Between& path_;
  const uint64_t bytes_;
  uint64_t queued_ = 0;
};

PumpEnd Direction::pump(const Between& path) {
  const Account account(*this, path);
  if (!flush(path)) return PumpEnd::target_failed;
  if (holds_back() && delivered() && !over()) {
    const PumpEnd end = scan(path);
    if (end != PumpEnd::waiting) return end;
    if (!flush(path)) return PumpEnd::target_failed;
  }
  int rounds = 1;
  for (int round = 0; round < rounds && may_receive(path); ++round) {
    const bool splicing = !over() && may_splice(path);
    if (splicing && !path.light_beside) rounds = splicing_rounds_a_pump;
    const PumpEnd end = over() ? discard(path) : splicing ? splice_through(path) : fill(path);
    if (end != PumpEnd::waiting) return end;
    if (!flush(path)) return PumpEnd::target_failed;
  }
  give_back_idle(path);
  return may_receive(path) ? PumpEnd::more : PumpEnd::waiting;
}

bool Direction::may_receive(const Between& path) const {
  if (!may_read(path.source)) return false;
  return over() || (delivered() && !holds_back() && path.most_bytes > 0);
}

PumpEnd Direction::begin_with(const Between& path, std::span<const uint8_t> early) {
  // Bytes that came early from the other side may have ended this direction with a Close already.
  if (early.empty() || mode_ != Mode::flowing) return PumpEnd::waiting;
  const Account account(*this, path);
  Ring& ring = borrow_transit(path.transits).conveyor.ring();
  ring.borrow(path.transits.buffers(), BufferClass::full);
  ring.append_unjudged(early);
  return scan(path);
}

bool Direction::close_with(const Between& path, CloseCode code, MidFrame mid_frame,
                           std::string_view reason) {
  if (over()) return true;
  Transit& transit = borrow_transit(path.transits);
  if (mode_ == Mode::flowing) {
    transit.close_code = code;
    transit.close_reason = reason;
  }
  const bool whole = mid_frame == MidFrame::await_message;
  if (whole ? at_message_boundary() : take_back_frame(path)) {
    queue_close(path);
    return true;
  }
  if (mid_frame == MidFrame::give_up || path.source.input_ended) return false;
  if (mode_ == Mode::flowing || !whole) {
    transit.close_at = whole ? Boundary::message : Boundary::frame;
  }
  mode_ = Mode::finishing;
  return true;
}

void Direction::inject_ping(const Between& path, std::span<const uint8_t, own_ping_bytes> payload) {
  SLUICE_CHECK(at_rest());
  borrow_transit(path.transits);
  uint8_t key[4];
  uint8_t frame[max_control_frame_bytes];
  const size_t bytes = encode_control_frame(Opcode::ping, payload, own_key(path, key), frame);
  queue_own(path, {frame, bytes});
  transit_->only_ping = true;
}

bool Direction::end_without_close(const Between& path) {
  if (over()) return true;
  if (transit_ != nullptr && !take_back_frame(path)) return false;
  mode_ = Mode::ended;
  return true;
}

// Drops what is not judged yet, where no message is under way.
bool Direction::at_message_boundary() {
  if (!transit_->scanner.at(Boundary::message)) return false;
  transit_->conveyor.ring().drop_unjudged();
  return true;
}

// Drops what is not judged yet and of the frame begun what is here; false where some of it has left
// already.
bool Direction::take_back_frame(const Between& path) {
  Ring& ring = transit_->conveyor.ring();
  ring.drop_unjudged();
  const uint64_t begun = transit_->scanner.into_frame();
  if (ring.queued() < begun + path.target.committed()) return false;
  if (begun > 0) {
    ring.trim(begun);
    path.counts.dropped.add(begun);
  }
  return true;
}

void Direction::drop(TransitPool& transits, TrafficCounters& counts) {
  mode_ = Mode::draining;
  if (transit_ == nullptr) return;
  if (queued() > 0) counts.dropped.add(queued());
  transit_->conveyor.drop(transits.buffers());
  settle_transit(transits);
}

void Direction::release(TransitPool& transits, TrafficCounters& counts) {
  if (transit_ == nullptr) return;
  if (queued() > 0) counts.dropped.add(queued());
  return_transit(transits);
}

void Direction::count_wait(TrafficCounters& counts, uint32_t now_ms) const {
  counts.waited_ms.add(transit_->conveyor.take_waited_ms(now_ms));
}

CloseCode Direction::fault_code() const {
  SLUICE_CHECK(transit_ != nullptr);
  return transit_->scanner.code();
}

const char* Direction::fault_reason() const {
  SLUICE_CHECK(transit_ != nullptr);
  return transit_->scanner.reason();
}

std::string Direction::explanation_of(const char* reason, const FrameRules& rules) const {
  if (transit_ == nullptr || transit_->scanner.reason() != reason) return "";
  return transit_->scanner.explanation(rules);
}

void Direction::shrink(TransitPool& transits) {
  if (transit_ != nullptr) transit_->conveyor.shrink(transits.buffers());
}

void Direction::note_undelivered(uint32_t bytes, uint32_t now_ms) {
  SLUICE_CHECK(stalled());
  transit_->conveyor.note_undelivered(bytes, now_ms);
}

// False where the target takes nothing any more; what is queued is dropped, then.
bool Direction::flush(const Between& path) {
  if (transit_ == nullptr) return true;
  if (transit_->conveyor.flush(path.target, path.now_ms) != Conveyor::Flow::failed) return true;
  path.removed += queued();
  drop(path.transits, path.counts);
  return false;
}

PumpEnd Direction::fill(const Between& path) {
  Conveyor& conveyor = borrow_transit(path.transits).conveyor;
  const Io io = conveyor.receive(path.source, path.transits.buffers(), path.most_bytes);
  return io.state == Io::State::open ? scan(path) : nothing_received(path, io);
}

PumpEnd Direction::nothing_received(const Between& path, const Io& io) {
  if (io.state == Io::State::blocked) return PumpEnd::waiting;
  transit_->conveyor.ring().drop_unjudged();
  give_back_idle(path);
  return io.state == Io::State::ended ? PumpEnd::source_ended : PumpEnd::source_failed;
}

// Large frames come in runs, so after one the next is expected. In finishing mode the ring takes
// the frame's rest as well as a pipe would.
bool Direction::may_splice(const Between& path) const {
  if (!moves_large_frames() || mode_ != Mode::flowing || path.rules.validate_utf8) return false;
  if (!path.source.may_splice() || !path.target.may_splice()) return false;
  const bool pipe_left = path.transits.buffers().pipes().left() > 0;
  if (transit_ == nullptr) return pipe_left;
  const Conveyor& conveyor = transit_->conveyor;
  return conveyor.ring().empty() && !conveyor.slow() && (conveyor.holds_pipe() || pipe_left);
}

// fill() for large frames: the header is judged where it lies, in the socket, and goes into the
// pipe together with the payload; apart from it, the payload's pages would be cut in two at the
// target.
PumpEnd Direction::splice_through(const Between& path) {
  Transit& transit = borrow_transit(path.transits);
  FrameScanner ahead = transit.scanner;
  uint8_t header[max_frame_header_bytes];
  size_t header_bytes = 0;
  if (ahead.payload_left() == 0) {
    const Io seen = path.source.peek(header);
    if (seen.state != Io::State::open) return nothing_received(path, seen);
    header_bytes = large_frame_header_bytes({header, seen.bytes});
    if (header_bytes == 0) return fill(path);
    FrameRules rules = path.rules;
    rules.counts = nullptr;  // until it is taken
    ahead.scan({header, header_bytes}, rules, path.now_ms);
    if (ahead.payload_left() == 0) return fill(path);  // which is told what is wrong
  }
  uint64_t most = std::min(header_bytes + ahead.payload_left(), path.most_bytes);
  if (path.light_beside) most = std::min<uint64_t>(most, short_splice_bytes);
  const Io io = transit.conveyor.splice(path.source, path.transits.buffers(), most);
  if (io.state != Io::State::open) return nothing_received(path, io);
  if (io.bytes < header_bytes) {
    land_unjudged(transit.conveyor, path.transits.buffers());
    return scan(path);
  }
  ahead.step_over(io.bytes - header_bytes);
  transit.scanner = ahead;
  if (header_bytes > 0) path.counts.frames.add_data_frame({header, header_bytes});
  bytes_ += io.bytes;
  return PumpEnd::waiting;
}

PumpEnd Direction::discard(const Between& path) {
  const iovec piece{scrap, sizeof scrap};
  const Io io = path.source.recv({&piece, 1});
  if (io.state == Io::State::open || io.state == Io::State::blocked) return PumpEnd::waiting;
  return io.state == Io::State::ended ? PumpEnd::source_ended : PumpEnd::source_failed;
}

// Judges everything received. Where the ring wraps inside a header or control frame, the bytes
// around the seam are looked at in a copy.
PumpEnd Direction::scan(const Between& path) {
  Ring& ring = transit_->conveyor.ring();
  transit_->held = transit_->only_ping = false;
  while (ring.unjudged() > 0 && !transit_->held) {
    iovec pieces[2];
    const size_t count = ring.unjudged_pieces(pieces);
    auto* first = static_cast<uint8_t*>(pieces[0].iov_base);
    FrameScanner::Scan seen = scan_piece(path, {first, pieces[0].iov_len});
    if (seen.accepted == 0 && seen.verdict == FrameScanner::Verdict::good) {
      if (count == 1) break;
      uint8_t seam[2 * max_control_frame_bytes];
      const size_t before = pieces[0].iov_len;
      SLUICE_CHECK(before < max_control_frame_bytes);
      const size_t behind = std::min(pieces[1].iov_len, sizeof seam - before);
      std::memcpy(seam, first, before);
      std::memcpy(seam + before, pieces[1].iov_base, behind);
      seen = scan_piece(path, {seam, before + behind});
      if (seen.accepted == 0 && seen.verdict == FrameScanner::Verdict::good) break;
    }
    if (seen.changed_at > 0) {
      const size_t before = pieces[0].iov_len;
      uint8_t* const place = seen.changed_at < before ? first + seen.changed_at
                                                      : static_cast<uint8_t*>(pieces[1].iov_base) +
                                                            seen.changed_at - before;
      *place = seen.changed_to;
    }
    ring.accept(seen.accepted);
    bytes_ += seen.accepted;
    transit_->held = seen.verdict == FrameScanner::Verdict::held;
    if (seen.verdict == FrameScanner::Verdict::own_pong) take_out_pong(path, seen);
    if (seen.verdict == FrameScanner::Verdict::bad) {
      ring.drop_unjudged();
      return PumpEnd::faulty;
    }
    if (seen.verdict == FrameScanner::Verdict::closed) {
      ring.drop_unjudged();
      mode_ = Mode::draining;
      return PumpEnd::closed;
    }
    if (mode_ == Mode::finishing && transit_->scanner.at(transit_->close_at)) {
      ring.drop_unjudged();
      queue_close(path);
      break;
    }
  }
  return PumpEnd::waiting;
}

// While finishing, nothing behind the boundary is looked at.
FrameScanner::Scan Direction::scan_piece(const Between& path, std::span<const uint8_t> bytes) {
  FrameScanner& scanner = transit_->scanner;
  if (mode_ != Mode::finishing) return scanner.scan(bytes, path.rules, path.now_ms);
  return scanner.scan_to(transit_->close_at, bytes, path.rules, path.now_ms);
}

void Direction::give_back_idle(const Between& path) {
  if (transit_ == nullptr) return;
  transit_->conveyor.give_back_idle(path.transits.buffers(),
                                    !path.source.readable && !holds_back());
  settle_transit(path.transits);
}

void Direction::queue_close(const Between& path) {
  uint8_t key[4];
  uint8_t frame[max_control_frame_bytes];
  const size_t bytes =
      encode_close(transit_->close_code, transit_->close_reason, own_key(path, key), frame);
  queue_own(path, {frame, bytes});
  mode_ = Mode::draining;
}

// A frame of ours, behind what may be sent; nothing is unjudged.
void Direction::queue_own(const Between& path, std::span<const uint8_t> frame) {
  Ring& ring = transit_->conveyor.ring();
  if (!ring.held()) ring.borrow(path.transits.buffers(), BufferClass::block);
  ring.append(frame);
  path.counts.own.add(frame.size());
  path.removed -= frame.size();
}

// A pong that came for us is not the target's; nor is it traffic.
void Direction::take_out_pong(const Between& path, const FrameScanner::Scan& seen) {
  const auto now_us = static_cast<uint32_t>(sys::monotonic_ns() / 1'000);
  if (path.ping == nullptr || !path.ping->answered(seen.pong_stamp, now_us)) {
    return path.counts.frames.add_control(FrameCounts::pong, seen.pong_bytes);
  }
  transit_->conveyor.ring().drop_last_judged(seen.pong_bytes);
  bytes_ -= seen.pong_bytes;
}

Transit& Direction::borrow_transit(TransitPool& transits) {
  if (transit_ == nullptr) transit_ = transits.borrow(FrameScanner(lasting_));
  return *transit_;
}

// Gives the transit back where nothing is under way any more.
void Direction::settle_transit(TransitPool& transits) {
  if (transit_->conveyor.at_rest() && transit_->scanner.at_rest()) return_transit(transits);
}

void Direction::return_transit(TransitPool& transits) {
  lasting_ = transit_->scanner.lasting();
  transits.give_back(transit_);
  transit_ = nullptr;
}

}  // namespace sluice
