// Link over a PlainTransport, a TlsTransport or an Http2Stream.
#include "tests/load/common_link.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>

#include "net/sys.h"

namespace sluice::load {

namespace {

iovec piece_of(const uint8_t* buffer, size_t bytes) {
  return {const_cast<uint8_t*>(buffer), bytes};  // NOLINT: sending does not write
}

}  // namespace

Link::Link(Link&& other) noexcept
    : tls_(std::move(other.tls_)),
      stream_(std::move(other.stream_)),
      fd_(std::exchange(other.fd_, -1)),
      readable_(other.readable_),
      writable_(other.writable_),
      short_means_drained_(other.short_means_drained_),
      send_failed_(other.send_failed_),
      ending_(other.ending_) {}

Link::~Link() {
  if (fd_ >= 0) sys::close(fd_);
}

void Link::carry(std::unique_ptr<Http2Stream> stream) {
  stream_ = std::move(stream);
  note(Readiness{.readable = true, .writable = true});
}

std::string_view Link::protocol() const {
  if (tls_ == nullptr) return "";
  const unsigned char* name = nullptr;
  unsigned bytes = 0;
  SSL_get0_alpn_selected(tls_->ssl(), &name, &bytes);
  return {reinterpret_cast<const char*>(name), bytes};
}

size_t Link::room() const {
  return stream_ == nullptr ? SIZE_MAX : std::max<size_t>(stream_->room(), 1);
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
  if (stream_ != nullptr) {
    const std::string why = stream_->failure();
    return std::string(stream_->was_reset() ? "RST_STREAM " : "") + why;
  }
  if (tls_ != nullptr && *tls_->failure() != '\0') return tls_->failure();
  return std::strerror(io.error);
}

Io Link::recv(uint8_t* buffer, size_t bytes) {
  const iovec piece = piece_of(buffer, bytes);
  const Io io = stream_ != nullptr ? stream_->recv({&piece, 1})
                : tls_ == nullptr  ? PlainTransport(fd_).recv({&piece, 1})
                                   : tls_->recv({&piece, 1});
  const bool drained = io.short_count && short_means_drained_;
  if (io.state == Io::State::blocked || drained) readable_ = false;
  return io;
}

Io Link::send(const uint8_t* buffer, size_t bytes) {
  const iovec piece = piece_of(buffer, bytes);
  const Io io = stream_ != nullptr ? stream_->send({&piece, 1})
                : tls_ == nullptr  ? PlainTransport(fd_).send({&piece, 1})
                                   : send_encrypted(buffer, bytes);
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
  if (stream_ != nullptr) {
    ending_ = !stream_->shutdown_write();
  } else if (tls_ == nullptr) {
    sys::shutdown_write(fd_);
  } else {
    ending_ = !tls_->shutdown_write();
  }
}

}  // namespace sluice::load
