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

// "listen A: why not". Where the address is in use, the holder follows in parentheses, or `unknown`
// (where it is not "") if /proc does not tell who holds it.
std::string listen_complaint(const Address& address, const Fault& fault,
                             const std::string& unknown = "");

class ListenerSet {
 public:
  ListenerSet() = default;
  ListenerSet(const ListenerSet&) = delete;
  ListenerSet& operator=(const ListenerSet&) = delete;
  ~ListenerSet() { close(); }

  // Opens all listeners of the Config, which outlives the set, for so many workers. Returns what
  // went wrong, a line for each address; none stays open then.
  std::vector<std::string> open(const Config& config, uint32_t workers);
  // Closes all of them. Removes a socket file only if it is still the one that open() made.
  void close();
  // Opens anew the listeners that a worker shut down. All processes share a listener's state, so
  // the worker's successor could never accept from them. Returns what went wrong, as open() does;
  // the caller may try again.
  std::vector<std::string> mend(uint32_t worker);
  // In a worker: returns its descriptor for each listener of the conf, which it owns from then on,
  // and closes those of the other workers.
  std::vector<int> take(uint32_t worker);

 private:
  // The descriptors of one address. Unix sockets have no SO_REUSEPORT, so all workers share one.
  struct Listener {
    const ListenConfig* config;
    std::vector<int> fds;    // one a worker, or one for all; -1: to be opened by mend()
    sys::FileIdentity file;  // unix: what bind() made
  };

  // The index of the worker's descriptor in `fds`.
  static size_t index_of(const Listener& listener, uint32_t worker) {
    return listener.fds.size() == 1 ? 0 : worker;
  }
  static Status bind(Listener& listener, uint32_t workers);
  static Status open_one(Listener& listener, size_t index);

  std::vector<Listener> listeners_;
};

}  // namespace sluice
