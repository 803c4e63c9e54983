// Link: a connection's descriptor with what the edge-triggered poller said of it. It owns the
// descriptor, which must be unwatched before the link dies.
#pragma once

#include <cstddef>
#include <cstdint>

#include "net/poller.h"
#include "net/transport.h"

namespace sluice::load {

class Link {
 public:
  explicit Link(int fd) : fd_(fd) {}
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link();

  int fd() const { return fd_; }
  void note(Readiness ready);

  // Whether a call may move something; cleared by EAGAIN or by a short count, which means the same
  // unless the poller told of something that shortens reads (DESIGN.md section 2).
  bool readable() const { return readable_; }
  bool writable() const { return writable_; }

  Io recv(uint8_t* buffer, size_t bytes);
  // After `failed` nothing can be sent any more, but what the peer sent before, a Close perhaps,
  // can still be received: the link is readable, and recv tells the end.
  Io send(const uint8_t* buffer, size_t bytes);
  // FIN; what was sent before is still delivered.
  void shutdown_write();

 private:
  int fd_;
  bool readable_ = false;
  bool writable_ = false;
  bool short_means_drained_ = true;
  bool send_failed_ = false;
};

}  // namespace sluice::load
