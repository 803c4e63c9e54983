// Transport: a byte stream to one peer. PlainTransport is TCP and unix sockets; TLS is another.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice {

// What one call moved and how the stream stands after it.
struct Io {
  enum class State : uint8_t {
    open,     // go on; a short count may mean drained (Readiness::short_means_drained)
    blocked,  // nothing moved: wait for the next edge
    ended,    // recv: the peer's FIN, everything before it was received
    failed,   // `error` says why; nothing moves any more
  };

  size_t bytes = 0;
  State state = State::open;
  int error = 0;  // errno, after `failed`
};

// Holds a descriptor that its leg closes; one virtual call per system call.
class Transport {
 public:
  virtual ~Transport() = default;

  // One or two pieces, none of them empty.
  virtual Io recv(std::span<const iovec> pieces) = 0;
  virtual Io send(std::span<const iovec> pieces) = 0;
  // Ends our half in order: FIN. Everything sent before it is still delivered.
  virtual void shutdown_write() = 0;
};

class PlainTransport final : public Transport {
 public:
  explicit PlainTransport(int fd) : fd_(fd) {}

  Io recv(std::span<const iovec> pieces) override;
  Io send(std::span<const iovec> pieces) override;
  void shutdown_write() override;

 private:
  int fd_;
};

}  // namespace sluice
