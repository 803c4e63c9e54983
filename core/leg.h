// Leg: one of a session's two connections, namely its descriptor and what is known of its
// readiness.
#pragma once

#include <cstdint>

#include "net/poller.h"
#include "net/transport.h"

namespace sluice {

enum class Side : uint8_t { client = 0, upstream = 1 };

inline Side other(Side side) {
  return side == Side::client ? Side::upstream : Side::client;
}
inline unsigned index_of(Side side) {
  return static_cast<unsigned>(side);
}

// A member of its session, which opens, watches and closes it. Readiness is edge-triggered: a flag
// is cleared only where the kernel is known to have nothing more (DESIGN.md section 2).
class Leg {
 public:
  // Takes over a descriptor that is non-blocking and not watched yet.
  void attach(int fd) {
    fd_ = fd;
    readable = writable = input_ended = output_ended = false;
    short_means_drained_ = true;
  }
  void detach() { fd_ = -1; }

  bool open() const { return fd_ >= 0; }
  int fd() const { return fd_; }

  void note(Readiness ready) {
    readable = readable || ready.readable;
    writable = writable || ready.writable;
    short_means_drained_ = short_means_drained_ && ready.short_means_drained();
  }

  // recv and send that keep `readable` and `writable` true to the kernel's state.
  Io recv(std::span<const iovec> pieces) {
    const Io io = PlainTransport(fd_).recv(pieces);
    if (io.state != Io::State::open || (short_means_drained_ && io.bytes < bytes_of(pieces))) {
      readable = false;
    }
    return io;
  }
  Io send(std::span<const iovec> pieces) {
    const Io io = PlainTransport(fd_).send(pieces);
    if (io.state != Io::State::open || (short_means_drained_ && io.bytes < bytes_of(pieces))) {
      writable = false;
    }
    return io;
  }
  void shutdown_write() {
    if (output_ended) return;
    output_ended = true;
    PlainTransport(fd_).shutdown_write();
  }

  bool readable = false;
  bool writable = false;
  bool input_ended = false;   // FIN or an error was read: nothing more will come
  bool output_ended = false;  // our FIN is sent, or the peer takes nothing any more

 private:
  static size_t bytes_of(std::span<const iovec> pieces) {
    size_t sum = 0;
    for (const iovec& piece : pieces) sum += piece.iov_len;
    return sum;
  }

  int fd_ = -1;
  bool short_means_drained_ = true;
};

}  // namespace sluice
