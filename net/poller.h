// Poller: edge-triggered readiness of descriptors from the kernel. poller_epoll.cc and
// poller_kqueue.cc implement it; CMake chooses one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "net/result.h"

namespace sluice {

// The news of a descriptor since its last report. `urgent`, `ended`, `hung_up` and `failed`
// forbid taking a short read or write for "drained" (core/DESIGN.md section 2).
struct Readiness {
  bool readable : 1 = false;
  bool writable : 1 = false;
  bool ended : 1 = false;    // the peer sent FIN; data may still be waiting
  bool hung_up : 1 = false;  // both halves are down
  bool failed : 1 = false;   // the socket has an error
  bool urgent : 1 = false;   // out-of-band data shortens reads

  bool short_means_drained() const { return !(ended || hung_up || failed || urgent); }
};

struct PollEvent {
  uint64_t cookie = 0;
  Readiness ready;
};

// Owns the kernel's queue, not the descriptors in it. One thread.
class Poller {
 public:
  // One wait reports so many events at most, the next one the rest. With a ring's worth of bytes
  // for each, this bounds how long a turn takes, and every 64th message for a wait costs little.
  static constexpr size_t max_events = 64;

  Poller() = default;
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;
  ~Poller();

  Status open();
  // Registers once, for reading and writing, edge-triggered.
  Status add(int fd, uint64_t cookie);
  // Another cookie for a descriptor that is registered so: what it is ready for now is news again,
  // whatever was told before. Where that fails it is not registered any more.
  Status rename(int fd, uint64_t cookie);
  // The same for a listener, which is only read. `shared`: other processes wait for it, too, wake
  // one of them (unix listeners have no SO_REUSEPORT).
  Status add_listener(int fd, uint64_t cookie, bool shared);
  // Before close(): with a duplicate alive elsewhere, close() alone does not remove it.
  void remove(int fd);
  // Waits up to `timeout_ms` (-1: without end) and returns how many of `events` were filled.
  size_t wait(std::span<PollEvent> events, int timeout_ms);
  // In a forked child: gives up the queue, which is the parent's. What the parent registered there
  // stays registered.
  void leave_to_parent();
  // The kernel's queue, which is itself readable while wait() would find something.
  int descriptor() const { return fd_; }

 private:
  int fd_ = -1;
};

}  // namespace sluice
