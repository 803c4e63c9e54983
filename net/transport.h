// Transport: a byte stream to one peer. PlainTransport is TCP and unix sockets; TlsTransport in
// tls/ is the other.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "net/pipe.h"
#include "net/pool.h"

namespace sluice {

// The outcome of one call: the bytes that it moved, and how the stream stands after it.
struct Io {
  enum class State : uint8_t {
    open,     // go on
    blocked,  // nothing moved: wait for the next edge
    ended,    // recv: the peer's orderly end, everything before it was received
    failed,   // `error` says why; nothing moves any more
  };

  size_t bytes = 0;
  State state = State::open;
  // With `open`: the kernel gave or took less than it was asked to, which means that it has nothing
  // more, unless Readiness::short_means_drained says otherwise.
  bool short_count = false;
  int error = 0;  // errno, after `failed`; 0 where the kernel had no part in it
};

// Holds a descriptor that its leg closes. Plain: one virtual call per system call.
class Transport {
 public:
  virtual ~Transport() = default;

  // One or two pieces, none of them empty.
  virtual Io recv(std::span<const iovec> pieces) = 0;
  virtual Io send(std::span<const iovec> pieces) = 0;
  // Bytes at the front of the caller's queue that are encrypted and partly sent already: the next
  // send() must offer them again unchanged.
  virtual size_t committed() const { return 0; }
  // Ends our half in order: what was sent before it is still delivered. False where the socket has
  // no room for that: try again at the next edge.
  [[nodiscard]] virtual bool shutdown_write() = 0;
  // Bytes that were taken from the caller, or made for the peer, and that the socket has not taken.
  virtual size_t unsent_bytes() const { return 0; }
  // Sends what is held of what other calls than send() produced, such as an answer to a key update;
  // false where the socket does not take all of it.
  virtual bool flush_held() { return true; }
  // After `failed`: what the transport itself says of it, "" where errno is all. Static text.
  virtual const char* failure() const { return ""; }

  // --- of a transport whose leg has no descriptor, such as one stream of many on a connection
  // Ends both halves at once and not in order.
  virtual void abort() {}
  // Readiness is announced to that session from here on, as of this leg of it.
  virtual void watch(Handle /*session*/, unsigned /*leg*/) {}
  // It ended, and the peer has not looked at what was asked on it.
  virtual bool refused() const { return false; }
  // The descriptor that the bytes pass through in the end, for who asks it for addresses.
  virtual int socket() const { return -1; }
};

class PlainTransport final : public Transport {
 public:
  explicit PlainTransport(int fd) : fd_(fd) {}

  Io recv(std::span<const iovec> pieces) override;
  Io send(std::span<const iovec> pieces) override;
  bool shutdown_write() override;

  // Copies the bytes that the next recv() would begin with.
  Io peek(std::span<uint8_t> room);
  // Move bytes from the socket into a pipe, and from a pipe into the socket, at least one and at
  // most `bytes`. They never report a short_count, because other things end a splice early, too.
  // Urgent data blocks a splice for good.
  Io splice_into(const Pipe& pipe, size_t bytes);
  Io splice_from(const Pipe& pipe, size_t bytes);

 private:
  int fd_;
};

// Static text on an errno with which recv or send failed, for the log: "connection reset by peer".
// "" for 0.
const char* io_error_text(int error);

// The sum of the pieces' lengths.
inline size_t bytes_of(std::span<const iovec> pieces) {
  size_t sum = 0;
  for (const iovec& piece : pieces) sum += piece.iov_len;
  return sum;
}

}  // namespace sluice
