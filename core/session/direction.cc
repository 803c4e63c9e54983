// The invariant that keeps this simple: the source is read only when nothing is queued, so before a
// recv the ring holds at most one incomplete header or control frame, and before a splice nothing.
#include "core/session/direction.h"

#include <algorithm>
#include <cstring>

#include "net/check.h"
#include "net/sys.h"
#include "net/sys_process.h"

namespace sluice {

namespace {

// What is read to be dropped goes here; nobody looks at it.
uint8_t dropped_bytes[64 * 1024];

bool may_read(const Leg& source) {
  return source.readable && !source.input_ended;
}

}  // namespace

PumpEnd Direction::pump(const Between& path) {
  if (flush(path) == Flow::failed) return PumpEnd::target_failed;
  int rounds = 1;
  for (int round = 0; round < rounds; ++round) {
    const bool dropping = over();
    if (!may_read(path.source) || (!dropping && queued() > 0)) break;
    const bool carrying = !dropping && may_carry(path);
    if (carrying && !path.light_beside) rounds = carrying_rounds_a_pump;
    const PumpEnd end = dropping ? discard(path) : carrying ? carry(path) : fill(path);
    if (end != PumpEnd::waiting) return end;
    if (flush(path) == Flow::failed) return PumpEnd::target_failed;
  }
  settle(path);
  const bool readable = may_read(path.source) && (over() || delivered());
  return readable ? PumpEnd::more : PumpEnd::waiting;
}

PumpEnd Direction::begin_with(const Between& path, std::span<const uint8_t> early) {
  // What came early from the other side may have ended this direction with a Close already.
  if (early.empty() || mode_ != Mode::flowing) return PumpEnd::waiting;
  Ring& ring = borrow_transit(path.transits).ring;
  ring.borrow(path.transits.buffers(), BufferClass::full);
  ring.append_unjudged(early);
  return scan(path);
}

bool Direction::close_with(const Between& path, CloseCode code, MidFrame mid_frame) {
  if (over()) return true;
  Transit& transit = borrow_transit(path.transits);
  if (mode_ == Mode::flowing) transit.close_code = code;
  if (take_back_frame(path)) {
    queue_close(path);
    return true;
  }
  if (mid_frame == MidFrame::give_up || path.source.input_ended) return false;
  mode_ = Mode::finishing;
  return true;
}

bool Direction::end_without_close(const Between& path) {
  if (over()) return true;
  if (transit_ != nullptr && !take_back_frame(path)) return false;
  mode_ = Mode::ended;
  return true;
}

// Drops what is not judged yet and of the frame begun what is here; false where some of it has left
// already.
bool Direction::take_back_frame(const Between& path) {
  Ring& ring = transit_->ring;
  ring.drop_unjudged();
  const uint64_t begun = transit_->scanner.into_frame();
  if (ring.queued() < begun + path.target.committed()) return false;
  if (begun > 0) ring.trim(begun);
  return true;
}

void Direction::give_up(TransitPool& transits) {
  mode_ = Mode::draining;
  if (transit_ == nullptr) return;
  transit_->ring.release(transits.buffers());
  transits.release_pipe(*transit_);
  transit_->stalled = false;
  settle_transit(transits);
}

void Direction::release(TransitPool& transits) {
  if (transit_ != nullptr) return_transit(transits);
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
  if (transit_ == nullptr) return;
  transit_->slow = true;
  Ring& ring = transit_->ring;
  if (carried() > 0 && ring.empty() && land(transits)) ring.accept(ring.unjudged());
  if (!ring.held()) return;
  BufferPool& buffers = transits.buffers();
  const size_t kept = ring.queued() + ring.unjudged() + close_reserve_bytes;
  const BufferClass wanted = std::max(buffers.class_for(kept), BufferClass::tiny);
  if (buffers.bytes_of(wanted) < ring.capacity()) ring.move_to(buffers, wanted);
}

void Direction::note_undelivered(uint32_t bytes, uint32_t now_ms) {
  SLUICE_CHECK(stalled());
  if (bytes < transit_->undelivered_bytes) transit_->delivered_ms = now_ms;
  transit_->undelivered_bytes = bytes;
}

// Sends what is queued. A send that took less than it was given has filled the socket's buffer.
Direction::Flow Direction::flush(const Between& path) {
  if (transit_ == nullptr) return Flow::drained;
  Transit& transit = *transit_;
  while (queued() > 0 && path.target.writable) {
    const bool by_pipe = carried() > 0;
    iovec pieces[2];
    const size_t count = transit.ring.queued_pieces(pieces);
    const Io io = by_pipe ? path.target.splice_from(*transit.pipe, transit.pipe->bytes)
                          : path.target.send({pieces, count});
    if (io.state == Io::State::failed) {
      give_up(path.transits);
      return Flow::failed;
    }
    if (io.bytes == 0) break;
    if (by_pipe) {
      transit.pipe->bytes -= static_cast<uint32_t>(io.bytes);
    } else {
      transit.ring.sent(io.bytes);
    }
    transit.stalled = false;
  }
  if (queued() == 0) return Flow::drained;
  if (!transit.stalled) {
    transit.stalled = true;
    transit.stalled_since_ms = transit.delivered_ms = path.now_ms;
    transit.undelivered_bytes = UINT32_MAX;
  }
  return Flow::blocked;
}

PumpEnd Direction::fill(const Between& path) {
  make_room(path);
  Ring& ring = transit_->ring;
  iovec pieces[2];
  const size_t count = ring.room_pieces(pieces, close_reserve_bytes);
  const Io io = path.source.recv({pieces, count});
  if (io.state != Io::State::open) return nothing_received(path, io);
  ring.received(io.bytes);
  return scan(path);
}

PumpEnd Direction::nothing_received(const Between& path, const Io& io) {
  if (io.state == Io::State::blocked) return PumpEnd::waiting;
  path.source.input_ended = true;
  transit_->ring.drop_unjudged();
  settle(path);
  return io.state == Io::State::ended ? PumpEnd::source_ended : PumpEnd::source_failed;
}

// Large frames come in runs, so after one the next is expected. In finishing mode the ring takes
// the frame's rest as well as a pipe would.
bool Direction::may_carry(const Between& path) const {
  if (!moves_large_frames() || mode_ != Mode::flowing) return false;
  if (transit_ != nullptr && (!transit_->ring.empty() || transit_->slow)) return false;
  const bool holds_pipe = transit_ != nullptr && transit_->pipe != nullptr;
  return !path.rules.validate_utf8 && path.source.may_splice() && path.target.may_splice() &&
         (holds_pipe || path.transits.buffers().pipes().left() > 0);
}

// fill() for large frames: the header is judged where it lies, in the socket, and goes into the
// pipe together with the payload; apart from it, the payload's pages would be cut in two at the
// target.
PumpEnd Direction::carry(const Between& path) {
  Transit& transit = borrow_transit(path.transits);
  FrameScanner ahead = transit.scanner;
  size_t header_bytes = 0;
  if (ahead.payload_left() == 0) {
    uint8_t header[max_frame_header_bytes];
    const Io seen = path.source.peek(header);
    if (seen.state != Io::State::open) return nothing_received(path, seen);
    header_bytes = large_frame_header_bytes({header, seen.bytes});
    if (header_bytes == 0) return fill(path);
    ahead.scan({header, header_bytes}, path.rules, path.now_ms);
    if (ahead.payload_left() == 0) return fill(path);  // which is told what is wrong
  }
  BufferPool& buffers = path.transits.buffers();
  if (transit.pipe == nullptr) transit.pipe = buffers.pipes().borrow();
  // Once pipes run short, a stalled target gets no more by pipe than a ring can take back.
  const bool plenty = buffers.pipes().left() >= PipePool::most_pipes / 2;
  uint64_t most = plenty ? PipePool::pipe_bytes : buffers.full_bytes() - close_reserve_bytes;
  if (path.light_beside) most = std::min<uint64_t>(most, short_carry_bytes);
  const Io io =
      path.source.splice_into(*transit.pipe, std::min(header_bytes + ahead.payload_left(), most));
  if (io.state != Io::State::open) return nothing_received(path, io);
  transit.pipe->bytes = static_cast<uint32_t>(io.bytes);
  if (io.bytes < header_bytes) {
    SLUICE_CHECK(land(path.transits));  // a tiny ring will do, and those are never spent
    return scan(path);
  }
  ahead.step_over(io.bytes - header_bytes);
  transit.scanner = ahead;
  bytes_ += io.bytes;
  return PumpEnd::waiting;
}

// Copies what the pipe holds into the ring, which must be empty, unjudged. False where it is too
// much for a ring, or for what the budgets leave; the pipe keeps it, then.
bool Direction::land(TransitPool& transits) {
  BufferPool& buffers = transits.buffers();
  const size_t needed = carried() + close_reserve_bytes;
  if (needed > buffers.full_bytes()) return false;
  Ring& ring = transit_->ring;
  ring.release_if_empty(buffers);
  ring.borrow(buffers, std::max(buffers.class_for(needed), BufferClass::tiny));
  if (ring.room() < needed) {
    ring.release(buffers);
    return false;
  }
  Pipe& pipe = *transit_->pipe;
  while (pipe.bytes > 0) {
    iovec pieces[2];
    ring.room_pieces(pieces);
    const ssize_t got = sys::read(pipe.out, pieces[0].iov_base, pipe.bytes);
    SLUICE_CHECK(got > 0);
    ring.received(static_cast<size_t>(got));
    pipe.bytes -= static_cast<uint32_t>(got);
  }
  transits.release_pipe(*transit_);
  return true;
}

PumpEnd Direction::discard(const Between& path) {
  const iovec piece{dropped_bytes, sizeof dropped_bytes};
  const Io io = path.source.recv({&piece, 1});
  if (io.state == Io::State::open || io.state == Io::State::blocked) return PumpEnd::waiting;
  path.source.input_ended = true;
  return io.state == Io::State::ended ? PumpEnd::source_ended : PumpEnd::source_failed;
}

// Judges everything received. Where the ring wraps inside a header or control frame, the bytes
// around the seam are looked at in a copy.
PumpEnd Direction::scan(const Between& path) {
  Ring& ring = transit_->ring;
  while (ring.unjudged() > 0) {
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
    if (seen.verdict == FrameScanner::Verdict::bad) {
      ring.drop_unjudged();
      return PumpEnd::faulty;
    }
    if (seen.verdict == FrameScanner::Verdict::closed) {
      ring.drop_unjudged();
      mode_ = Mode::draining;
      return PumpEnd::closed;
    }
    if (mode_ == Mode::finishing && at_boundary()) {
      ring.drop_unjudged();
      queue_close(path);
      break;
    }
  }
  return PumpEnd::waiting;
}

// While finishing, nothing behind the current frame is looked at.
FrameScanner::Scan Direction::scan_piece(const Between& path, std::span<const uint8_t> bytes) {
  FrameScanner& scanner = transit_->scanner;
  if (mode_ == Mode::finishing) {
    bytes = bytes.first(std::min<uint64_t>(bytes.size(), scanner.payload_left()));
  }
  return scanner.scan(bytes, path.rules, path.now_ms);
}

void Direction::make_room(const Between& path) {
  Transit& transit = borrow_transit(path.transits);
  const BufferClass wanted = transit.slow ? BufferClass::small : BufferClass::full;
  if (!transit.ring.held()) {
    transit.ring.borrow(path.transits.buffers(), wanted);
  } else if (transit.ring.capacity() < BufferPool::tiny_bytes) {
    transit.ring.move_to(path.transits.buffers(), wanted);
  }
}

// Gives the ring back once it is empty; an incomplete header or control frame waits in a block.
void Direction::settle(const Between& path) {
  if (transit_ == nullptr) return;
  BufferPool& buffers = path.transits.buffers();
  Ring& ring = transit_->ring;
  if (queued() == 0 && !path.source.readable) transit_->slow = false;  // the target keeps up
  if (carried() == 0) path.transits.release_pipe(*transit_);
  if (ring.held() && ring.queued() == 0) {
    if (ring.unjudged() == 0) {
      ring.release(buffers);
    } else if (!path.source.readable && ring.capacity() >= BufferPool::tiny_bytes) {
      ring.move_to(buffers, BufferClass::block);
    }
  }
  settle_transit(path.transits);
}

void Direction::queue_close(const Between& path) {
  uint8_t key[4];
  if (path.toward_upstream) sys::random_bytes(key, sizeof key);
  uint8_t frame[max_control_frame_bytes];
  const size_t bytes =
      encode_close(transit_->close_code, path.toward_upstream ? key : nullptr, frame);
  Ring& ring = transit_->ring;
  if (!ring.held()) ring.borrow(path.transits.buffers(), BufferClass::block);
  ring.append({frame, bytes});
  mode_ = Mode::draining;
}

Transit& Direction::borrow_transit(TransitPool& transits) {
  if (transit_ == nullptr) transit_ = transits.borrow(FrameScanner(lasting_));
  return *transit_;
}

// Gives the transit back where nothing is under way any more.
void Direction::settle_transit(TransitPool& transits) {
  const Transit& transit = *transit_;
  const bool holds = transit.ring.held() || transit.pipe != nullptr || transit.slow;
  if (!holds && transit.scanner.at_rest()) return_transit(transits);
}

void Direction::return_transit(TransitPool& transits) {
  lasting_ = transit_->scanner.lasting();
  transits.give_back(transit_);
  transit_ = nullptr;
}

}  // namespace sluice
