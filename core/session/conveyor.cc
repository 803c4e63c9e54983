// The invariant that keeps this simple: the source is read only when nothing is queued, so before a
// recv the ring holds at most what was left unjudged, and before a splice nothing.
#include "core/session/conveyor.h"

#include <algorithm>
#include <utility>

#include "net/check.h"
#include "net/sys_process.h"

namespace sluice {

// A send that took less than it was given has filled the socket's buffer.
Conveyor::Flow Conveyor::flush(Leg& target, uint32_t now_ms) {
  while (queued() > 0 && target.writable) {
    const bool by_pipe = piped() > 0;
    iovec pieces[2];
    const size_t count = ring_.queued_pieces(pieces);
    const Io io = by_pipe ? target.splice_from(*pipe_, pipe_->bytes) : target.send({pieces, count});
    if (io.state == Io::State::failed) return Flow::failed;
    if (io.bytes == 0) break;
    if (by_pipe) {
      pipe_->bytes -= static_cast<uint32_t>(io.bytes);
    } else {
      ring_.sent(io.bytes);
    }
    stalled_ = false;
  }
  const bool waited = waits_;
  waits_ = queued() > 0;
  if (!waits_) return Flow::drained;
  if (!waited) queued_since_ms_ = waited_until_ms_ = now_ms;
  if (!stalled_) {
    stalled_ = true;
    stalled_since_ms_ = delivered_ms_ = now_ms;
    undelivered_bytes_ = UINT32_MAX;
  }
  return Flow::blocked;
}

Io Conveyor::receive(Leg& source, BufferPool& buffers, uint64_t most) {
  const BufferClass wanted = slow_ ? BufferClass::small : BufferClass::full;
  if (!ring_.held()) {
    ring_.borrow(buffers, wanted);
  } else if (ring_.capacity() < BufferPool::tiny_bytes) {
    ring_.move_to(buffers, wanted);
  }
  iovec pieces[2];
  const size_t room = ring_.room() - std::min(ring_.room(), close_reserve_bytes);
  const size_t left_out = room > most ? room - static_cast<size_t>(most) : 0;
  const size_t count = ring_.room_pieces(pieces, close_reserve_bytes + left_out);
  const Io io = source.recv({pieces, count});
  if (io.state == Io::State::open) ring_.received(io.bytes);
  return io;
}

Io Conveyor::splice(Leg& source, BufferPool& buffers, uint64_t most) {
  if (pipe_ == nullptr) pipe_ = buffers.pipes().borrow();
  // Once pipes run short, a stalled target gets no more by pipe than a ring can take back.
  const bool plenty = buffers.pipes().left() >= PipePool::most_pipes / 2;
  const uint64_t room = plenty ? PipePool::pipe_bytes : buffers.full_bytes() - close_reserve_bytes;
  const Io io = source.splice_into(*pipe_, std::min(most, room));
  if (io.state == Io::State::open) pipe_->bytes = static_cast<uint32_t>(io.bytes);
  return io;
}

bool Conveyor::land(BufferPool& buffers) {
  const size_t needed = piped() + close_reserve_bytes;
  if (needed > buffers.full_bytes()) return false;
  ring_.release_if_empty(buffers);
  ring_.borrow(buffers, std::max(buffers.class_for(needed), BufferClass::tiny));
  if (ring_.room() < needed) {
    ring_.release(buffers);
    return false;
  }
  while (pipe_->bytes > 0) {
    iovec pieces[2];
    ring_.room_pieces(pieces);
    const ssize_t got = sys::read(pipe_->out, pieces[0].iov_base, pipe_->bytes);
    SLUICE_CHECK(got > 0);
    ring_.received(static_cast<size_t>(got));
    pipe_->bytes -= static_cast<uint32_t>(got);
  }
  release_pipe(buffers);
  return true;
}

void Conveyor::shrink(BufferPool& buffers) {
  slow_ = true;
  if (piped() > 0 && ring_.empty() && land(buffers)) ring_.accept(ring_.unjudged());
  if (!ring_.held()) return;
  const size_t kept = ring_.queued() + ring_.unjudged() + close_reserve_bytes;
  const BufferClass wanted = std::max(buffers.class_for(kept), BufferClass::tiny);
  if (buffers.bytes_of(wanted) < ring_.capacity()) ring_.move_to(buffers, wanted);
}

void Conveyor::give_back_idle(BufferPool& buffers, bool source_dry) {
  if (queued() == 0 && source_dry) slow_ = false;  // the target keeps up
  if (piped() == 0) release_pipe(buffers);
  if (!ring_.held() || ring_.queued() > 0) return;
  if (ring_.unjudged() == 0) {
    ring_.release(buffers);
  } else if (source_dry && ring_.capacity() >= BufferPool::tiny_bytes) {
    ring_.move_to(buffers, BufferClass::block);
  }
}

void Conveyor::drop(BufferPool& buffers) {
  ring_.release(buffers);
  release_pipe(buffers);
  stalled_ = waits_ = false;
}

uint32_t Conveyor::take_waited_ms(uint32_t now_ms) {
  return waits_ ? now_ms - std::exchange(waited_until_ms_, now_ms) : 0;
}

void Conveyor::note_undelivered(uint32_t bytes, uint32_t now_ms) {
  SLUICE_CHECK(stalled_);
  if (bytes < undelivered_bytes_) delivered_ms_ = now_ms;
  undelivered_bytes_ = bytes;
}

void Conveyor::release_pipe(BufferPool& buffers) {
  if (pipe_ != nullptr) buffers.pipes().give_back(pipe_);
  pipe_ = nullptr;
}

}  // namespace sluice
