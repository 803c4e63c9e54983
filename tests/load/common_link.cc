// Link over sys.
#include "tests/load/common_link.h"

#include "net/sys.h"

namespace sluice::load {

namespace {

iovec piece_of(const uint8_t* buffer, size_t bytes) {
  return {const_cast<uint8_t*>(buffer), bytes};  // NOLINT: sending does not write
}

}  // namespace

Link::~Link() {
  sys::close(fd_);
}

void Link::note(Readiness ready) {
  readable_ = readable_ || ready.readable || ready.ended || ready.hung_up || ready.failed;
  writable_ = !send_failed_ && (writable_ || ready.writable || ready.failed);
  if (!ready.short_means_drained()) short_means_drained_ = false;
}

Io Link::recv(uint8_t* buffer, size_t bytes) {
  const iovec piece = piece_of(buffer, bytes);
  const Io io = PlainTransport(fd_).recv({&piece, 1});
  const bool drained = io.short_count && short_means_drained_;
  if (io.state == Io::State::blocked || drained) readable_ = false;
  return io;
}

Io Link::send(const uint8_t* buffer, size_t bytes) {
  const iovec piece = piece_of(buffer, bytes);
  const Io io = PlainTransport(fd_).send({&piece, 1});
  if (io.state == Io::State::blocked || io.short_count) writable_ = false;
  if (io.state == Io::State::failed) {
    writable_ = false;
    readable_ = true;
    short_means_drained_ = false;
    send_failed_ = true;
  }
  return io;
}

void Link::shutdown_write() {
  sys::shutdown_write(fd_);
}

}  // namespace sluice::load
