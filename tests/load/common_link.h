// Link: a connection's descriptor with what the edge-triggered poller said of it, and TLS where the
// connection is in it. It owns the descriptor, which must be unwatched before the link dies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "net/poller.h"
#include "net/transport.h"
#include "tls/transport.h"

namespace sluice::load {

class Link {
 public:
  explicit Link(int fd) : fd_(fd) {}
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link();

  int fd() const { return fd_; }
  void note(Readiness ready);

  // From here on everything goes through TLS, whose handshake comes first.
  void secure(std::unique_ptr<TlsTransport> tls) { tls_ = std::move(tls); }
  // TlsTransport::handshake; `done` on a link without TLS.
  TlsTransport::Handshake handshake();
  bool resumed() const { return tls_ != nullptr && tls_->resumed(); }
  // Why recv or send failed.
  std::string failure(const Io& io) const;

  // Whether a call may move something; cleared by EAGAIN or by a short count, which means the same
  // unless the poller told of something that shortens reads (core/DESIGN.md section 2).
  bool readable() const { return readable_; }
  bool writable() const { return writable_; }

  Io recv(uint8_t* buffer, size_t bytes);
  // In TLS what was encrypted counts as taken, although some of it may wait here for the socket.
  // After `failed` nothing can be sent any more, but what the peer sent before, a Close perhaps,
  // can still be received: the link is readable, and recv tells the end.
  Io send(const uint8_t* buffer, size_t bytes);
  // FIN, behind close_notify in TLS; what was sent before is still delivered.
  void shutdown_write();

 private:
  void advance_tls();
  Io send_encrypted(const uint8_t* buffer, size_t bytes);

  std::unique_ptr<TlsTransport> tls_;
  int fd_;
  bool readable_ = false;
  bool writable_ = false;
  bool short_means_drained_ = true;
  bool send_failed_ = false;
  bool ending_ = false;  // shutdown_write found no room for close_notify
};

}  // namespace sluice::load
