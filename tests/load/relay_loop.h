// RelayLoop: the simplest epoll loop that carries bytes between accepted connections and one
// upstream. It is the measure for sluice and knows nothing of what the bytes mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "net/address.h"

namespace sluice::load {

// One end of a connection; its descriptor is the pair's.
struct RelaySide {
  int fd = -1;
  bool readable = false;            // until EAGAIN, or a short read where that means drained
  bool writable = false;            // until a send took less than it was given
  bool short_means_drained = true;  // until the poller tells of an end or an error
  bool ended = false;               // its FIN was received
  std::vector<uint8_t> remainder;   // what it did not take; empty but under back-pressure
  size_t remainder_sent = 0;
};

// A client and the upstream connection that serves it.
struct RelayPair {
  static constexpr unsigned client = 0;
  static constexpr unsigned upstream = 1;

  RelaySide sides[2];
  bool queued = false;  // it stopped on its budget, no edge will call it again
  bool gone = false;    // closed; freed at the end of the turn, as events may still name it
};

// One thread, edge-triggered, with one receive buffer for all. Needs no destructor: it ends with
// its process.
class RelayLoop {
 public:
  // `listener` is open and listening.
  RelayLoop(int listener, const Address& upstream, size_t buffer_bytes);

  // False where epoll cannot be had.
  bool open();
  // Returns only where waiting or accepting fails for good, which it says on stderr.
  void run();

 private:
  bool turn();
  bool accept_some();
  void start(int client_fd);
  bool watch(RelayPair* pair, unsigned side);
  void pump(RelayPair* pair);
  bool forward(RelayPair& pair, unsigned from, bool& more);
  bool flush(RelaySide& to);
  void close(RelayPair* pair);

  int listener_;
  int epoll_ = -1;
  Address upstream_;
  size_t buffer_bytes_;
  std::unique_ptr<uint8_t[]> buffer_;
  std::vector<RelayPair*> queue_;    // run again before waiting
  std::vector<RelayPair*> retired_;  // to be freed when the turn is over
};

}  // namespace sluice::load
