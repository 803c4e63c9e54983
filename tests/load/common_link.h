// Link: a connection's descriptor with what the edge-triggered poller said of it, and TLS where the
// connection is in it. It owns the descriptor, which must be unwatched before the link dies. Or
// else a stream of an HTTP/2 connection, which has no descriptor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "net/poller.h"
#include "net/transport.h"
#include "tests/load/common_http2.h"
#include "tls/transport.h"

namespace sluice::load {

class Link {
 public:
  explicit Link(int fd) : fd_(fd) {}  // -1: a stream is to come
  Link(Link&& other) noexcept;
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link();

  int fd() const { return fd_; }
  void note(Readiness ready);

  // From here on everything goes through TLS, whose handshake comes first.
  void secure(std::unique_ptr<TlsTransport> tls) { tls_ = std::move(tls); }
  // From here on everything goes through the stream, whose news are to be noted.
  void carry(std::unique_ptr<Http2Stream> stream);
  Http2Stream* stream() const { return stream_.get(); }
  // TlsTransport::handshake; `done` on a link without TLS.
  TlsTransport::Handshake handshake();
  bool is_secure() const { return tls_ != nullptr; }
  // What was agreed on by ALPN, "" where nothing was.
  std::string_view protocol() const;
  bool resumed() const { return tls_ != nullptr && tls_->resumed(); }
  // Why recv or send failed.
  std::string failure(const Io& io) const;

  // Whether a call may move something; cleared by EAGAIN or by a short count, which means the same
  // unless the poller told of something that shortens reads (core/DESIGN.md section 2).
  bool readable() const { return readable_; }
  bool writable() const { return writable_; }
  // More than that send() does not take now; no limit but for streams. At least 1.
  size_t room() const;

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
  std::unique_ptr<Http2Stream> stream_;
  int fd_;
  bool readable_ = false;
  bool writable_ = false;
  bool short_means_drained_ = true;
  bool send_failed_ = false;
  bool ending_ = false;  // shutdown_write found no room for close_notify
};

}  // namespace sluice::load
