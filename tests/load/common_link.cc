// Link over sys.
#include "tests/load/common_link.h"

#include <cerrno>

#include "net/sys.h"

namespace sluice::load {

namespace {

Io io_of(ssize_t answer, Io::State at_zero) {
  if (answer > 0) return Io{static_cast<size_t>(answer), Io::State::open, 0};
  if (answer == 0) return Io{0, at_zero, 0};
  if (answer == -EAGAIN) return Io{0, Io::State::blocked, 0};
  return Io{0, Io::State::failed, static_cast<int>(-answer)};
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
  const Io io = io_of(sys::recv(fd_, buffer, bytes), Io::State::ended);
  const bool drained = io.state == Io::State::open && io.bytes < bytes && short_means_drained_;
  if (io.state == Io::State::blocked || drained) readable_ = false;
  return io;
}

Io Link::send(const uint8_t* buffer, size_t bytes) {
  const Io io = io_of(sys::send(fd_, buffer, bytes), Io::State::blocked);
  if (io.state == Io::State::blocked || (io.state == Io::State::open && io.bytes < bytes)) {
    writable_ = false;
  }
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
