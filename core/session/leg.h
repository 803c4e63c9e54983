// Leg: one of a session's two connections, namely its descriptor, what is known of its readiness,
// and TLS where the connection is in it.
#pragma once

#include <cerrno>
#include <cstdint>
#include <memory>
#include <utility>

#include "net/poller.h"
#include "net/sys.h"
#include "net/transport.h"
#include "tls/transport.h"

namespace sluice {

enum class Side : uint8_t { client = 0, upstream = 1 };

inline Side other(Side side) {
  return side == Side::client ? Side::upstream : Side::client;
}
inline unsigned index_of(Side side) {
  return static_cast<unsigned>(side);
}

// How a connection is closed: by a FIN, or by a RST.
enum class End : uint8_t { orderly, abort };

// A member of its session, which opens, watches and closes it. Readiness is edge-triggered: a flag
// is cleared only where the kernel is known to have nothing more (core/DESIGN.md section 2).
class Leg {
 public:
  // Takes over a descriptor that is non-blocking and not watched yet.
  void attach(int fd) {
    fd_ = fd;
    readable = writable = input_ended = output_ended = false;
    short_means_drained_ = true;
    error_ = 0;
  }
  // The descriptor is closed by its session, then.
  void detach() {
    fd_ = -1;
    tls_.reset();
  }

  bool open() const { return fd_ >= 0; }
  int fd() const { return fd_; }

  // From here on everything goes through TLS, whose handshake comes first.
  void secure(std::unique_ptr<TlsTransport> tls) { tls_ = std::move(tls); }
  // Back to the plain descriptor, for a last word to a peer that is not in TLS.
  void expose() { tls_.reset(); }
  // Null on a plain leg.
  TlsTransport* tls() { return tls_.get(); }

  void note(Readiness ready) {
    readable = readable || ready.readable;
    writable = writable || ready.writable;
    short_means_drained_ = short_means_drained_ && ready.short_means_drained();
  }

  // TlsTransport::handshake. What follows the peer's last word it may have taken from the socket
  // already, of which no edge tells any more.
  TlsTransport::Handshake handshake() {
    const TlsTransport::Handshake outcome = tls_->handshake();
    if (outcome != TlsTransport::Handshake::waiting) readable = true;
    return outcome;
  }

  // recv and send that keep `readable` and `writable` true to the kernel's state.
  Io recv(std::span<const iovec> pieces) {
    return received(tls_ == nullptr ? PlainTransport(fd_).recv(pieces) : tls_->recv(pieces));
  }
  Io send(std::span<const iovec> pieces) {
    return sent(tls_ == nullptr ? PlainTransport(fd_).send(pieces) : tls_->send(pieces));
  }
  // Whether bytes may pass by the kernel alone, by the next three: not in TLS, and not where
  // something was reported that a splice may stop at for good (urgent data).
  bool may_splice() const { return tls_ == nullptr && short_means_drained_; }
  Io peek(std::span<uint8_t> room) { return received(PlainTransport(fd_).peek(room)); }
  Io splice_into(const Pipe& pipe, size_t bytes) {
    return received(PlainTransport(fd_).splice_into(pipe, bytes));
  }
  Io splice_from(const Pipe& pipe, size_t bytes) {
    return sent(PlainTransport(fd_).splice_from(pipe, bytes));
  }
  // Transport::committed.
  size_t committed() const { return tls_ == nullptr ? 0 : tls_->committed(); }
  // What was sent and has not reached the peer, in TLS as ciphertext; -errno, where the system
  // does not tell.
  int undelivered_bytes() const {
    const int queued = sys::undelivered_bytes(fd_);
    if (queued < 0 || tls_ == nullptr) return queued;
    return queued + static_cast<int>(tls_->unsent_bytes());
  }
  // Ends our half in order, now or, where TLS finds no room for its last word, at a later call.
  void shutdown_write() {
    if (output_ended) return;
    output_ended = tls_ == nullptr ? PlainTransport(fd_).shutdown_write() : tls_->shutdown_write();
  }
  // To be called when the leg turns writable: TLS may hold what no send() waits for, such as an
  // answer to a key update.
  void flush_held() {
    if (tls_ != nullptr && writable && !tls_->flush_held()) writable = false;
  }
  // Static text on why the connection failed: what TLS says of it, else what the kernel said. ""
  // where neither said anything.
  const char* failure() const {
    const char* told = tls_ == nullptr ? "" : tls_->failure();
    return *told != '\0' ? told : io_error_text(error_);
  }

  bool readable : 1 = false;
  bool writable : 1 = false;
  bool input_ended : 1 = false;   // FIN or an error was read: nothing more will come
  bool output_ended : 1 = false;  // our FIN is sent, or the peer takes nothing any more

 private:
  Io received(const Io& io) {
    if (exhausted(io)) readable = false;
    if (io.state == Io::State::failed) keep_error(io.error);
    return io;
  }
  Io sent(const Io& io) {
    if (exhausted(io)) writable = false;
    if (io.state == Io::State::failed) keep_error(io.error);
    return io;
  }
  // The kernel tells the cause once, to a send or to a recv; EPIPE only says that it has told.
  void keep_error(int error) {
    if (error_ == 0 || error_ == EPIPE) error_ = static_cast<uint16_t>(error);
  }
  // Whether the kernel is known to have nothing more.
  bool exhausted(const Io& io) const {
    return io.state != Io::State::open || (short_means_drained_ && io.short_count);
  }

  bool short_means_drained_ : 1 = true;
  uint16_t error_ = 0;  // errno of the first failure; in what would be padding
  int fd_ = -1;
  std::unique_ptr<TlsTransport> tls_;
};

}  // namespace sluice
