// ListenerSet: the listening descriptors of all workers, opened and kept by the master, so that no
// queued connection is lost when a worker goes (core/DESIGN.md section 4).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config.h"
#include "net/result.h"
#include "net/sys_process.h"

namespace sluice {

// "listen A: why not", with who listens there where it is in use; `unknown` ("": nothing) in place
// of whom /proc does not tell.
std::string listen_complaint(const Address& address, const Fault& fault,
                             const std::string& unknown = "");

class ListenerSet {
 public:
  ListenerSet() = default;
  ListenerSet(const ListenerSet&) = delete;
  ListenerSet& operator=(const ListenerSet&) = delete;
  ~ListenerSet() { close(); }

  // Opens them all for so many workers; returns what went wrong, a line for each address, and then
  // nothing stays open. The Config outlives the set.
  std::vector<std::string> open(const Config& config, uint32_t workers);
  // Closes them, and removes those socket files that are still the ones made here.
  void close();
  // Opens anew what a worker shut down: all processes share a listener's state, so that its
  // successor could never accept. Returns what went wrong, as open() does; it may be tried again.
  std::vector<std::string> mend(uint32_t worker);
  // In a worker: its descriptor for each listener of the conf; those of other workers are closed.
  std::vector<int> take(uint32_t worker);

 private:
  // One address. Unix sockets have no SO_REUSEPORT: one descriptor for all workers.
  struct Listener {
    const ListenConfig* config;
    std::vector<int> fds;    // one a worker, or one for all; -1: to be opened by mend()
    sys::FileIdentity file;  // unix: what bind() made
  };

  // The one of `fds` that is that worker's.
  static size_t index_of(const Listener& listener, uint32_t worker) {
    return listener.fds.size() == 1 ? 0 : worker;
  }
  static Status bind(Listener& listener, uint32_t workers);
  static Status open_one(Listener& listener, size_t index);

  std::vector<Listener> listeners_;
};

}  // namespace sluice
