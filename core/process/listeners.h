// ListenerSet: the listening sockets of all workers, opened and kept by the master, so that no
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

// One socket that a worker accepts from. Of a listener's sockets, the worker has those whose number
// is its own modulo the count of workers; a unix listener has one, which all have.
struct WorkerSocket {
  ListenerId listener{};
  uint32_t number = 0;  // among that listener's
  int fd = -1;

  bool same_as(const WorkerSocket& other) const {
    return listener == other.listener && number == other.number;
  }
};

class ListenerSet {
 public:
  ListenerSet() = default;
  ListenerSet(const ListenerSet&) = delete;
  ListenerSet& operator=(const ListenerSet&) = delete;
  ~ListenerSet() { close(); }

  // Opens what that Config has and the set has not, for so many workers. Nothing else changes until
  // adopt(). Returns what went wrong, a line for each address; what was opened is closed then.
  std::vector<std::string> open(const Config& config, uint32_t workers);
  // Undoes an open() that went well.
  void roll_back();
  // Behind an open() of the same Config: closes what it has not, and lets those that stay have its
  // backlog and its access to their socket files. Sockets of workers that are no more stay: closing
  // one would reset what is queued on it, so others take them. Returns what went wrong.
  std::vector<std::string> adopt(const Config& config, uint32_t workers);
  // Closes all of them. Removes a socket file only if it is still the one that open() made.
  void close();
  // Opens anew the sockets that a worker shut down. All processes share a socket's state, so
  // the worker's successor could never accept from them. Returns what went wrong, as open() does;
  // the caller may try again.
  std::vector<std::string> mend(uint32_t worker);
  // The sockets of that worker; the descriptors are the set's. None where the worker is to leave.
  std::vector<WorkerSocket> of_worker(uint32_t worker) const;
  // In a worker: returns its sockets, which it owns from then on, and closes those of the others.
  std::vector<WorkerSocket> take(uint32_t worker);
  // In a child that has none: closes all of them, which goes on in the master as it is.
  void leave_to_parent();

 private:
  // The sockets of one address. Unix sockets have no SO_REUSEPORT, so all workers share one.
  struct Listener {
    ListenerId id{};
    Address address;
    sys::SocketFileAccess access;
    uint32_t backlog = 0;
    std::vector<int> fds;         // by number; -1: to be opened by mend()
    size_t adopted = 0;           // so many of them are not open()'s latest
    sys::FileIdentity file = {};  // unix: what bind() made
  };

  bool belongs_to(const Listener& listener, size_t number, uint32_t worker) const {
    return worker < workers_ && (listener.address.is_unix() || number % workers_ == worker);
  }
  Listener& find_or_add(const ListenConfig& config);
  bool have_overlapping(const Address& address) const;
  Status bind(Listener& listener, uint32_t workers);
  static Status open_one(Listener& listener, size_t number);
  static void close_from(Listener& listener, size_t first);

  std::vector<Listener> listeners_;
  uint32_t workers_ = 0;
};

}  // namespace sluice
