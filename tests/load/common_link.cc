// Link over a PlainTransport or a TlsTransport.
#include "tests/load/common_link.h"

#include <cstring>

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
  if (tls_ != nullptr && writable_) advance_tls();
}

TlsTransport::Handshake Link::handshake() {
  if (tls_ == nullptr) return TlsTransport::Handshake::done;
  TlsTransport::Handshake outcome = tls_->handshake();
  while (outcome == TlsTransport::Handshake::again) outcome = tls_->handshake();
  // It may have taken from the socket what follows, of which no edge tells any more.
  if (outcome != TlsTransport::Handshake::waiting) readable_ = true;
  return outcome;
}

std::string Link::failure(const Io& io) const {
  if (tls_ != nullptr && *tls_->failure() != '\0') return tls_->failure();
  return std::strerror(io.error);
}

Io Link::recv(uint8_t* buffer, size_t bytes) {
  const iovec piece = piece_of(buffer, bytes);
  const Io io = tls_ == nullptr ? PlainTransport(fd_).recv({&piece, 1}) : tls_->recv({&piece, 1});
  const bool drained = io.short_count && short_means_drained_;
  if (io.state == Io::State::blocked || drained) readable_ = false;
  return io;
}

Io Link::send(const uint8_t* buffer, size_t bytes) {
  const iovec piece = piece_of(buffer, bytes);
  const Io io =
      tls_ == nullptr ? PlainTransport(fd_).send({&piece, 1}) : send_encrypted(buffer, bytes);
  if (io.state == Io::State::blocked || io.short_count) writable_ = false;
  if (io.state == Io::State::failed) {
    writable_ = false;
    readable_ = true;
    short_means_drained_ = false;
    send_failed_ = true;
  }
  return io;
}

// What is committed must lead the next send, which does not look at its bytes: they are encrypted
// already. So the caller may be told that all that was encrypted is taken.
Io Link::send_encrypted(const uint8_t* buffer, size_t bytes) {
  const size_t held = tls_->committed();
  const iovec pieces[] = {piece_of(buffer, held), piece_of(buffer, bytes)};
  const std::span<const iovec> all(pieces);
  Io io = tls_->send(held == 0 ? all.last(1) : bytes == 0 ? all.first(1) : all);
  if (io.state == Io::State::failed) return io;
  io.bytes = io.bytes + tls_->committed() - held;
  if (io.bytes > 0) io.state = Io::State::open;
  return io;
}

// What waits here goes before anything new.
void Link::advance_tls() {
  if (tls_->committed() > 0) send(nullptr, 0);
  if (ending_ && writable_) shutdown_write();
}

void Link::shutdown_write() {
  if (tls_ == nullptr) {
    sys::shutdown_write(fd_);
  } else {
    ending_ = !tls_->shutdown_write();
  }
}

}  // namespace sluice::load
