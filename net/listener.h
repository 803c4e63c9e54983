// Listeners: opening listening sockets, and the Acceptor that takes connections from them, a
// bounded number a turn, and pauses instead of spinning when descriptors run out.
#pragma once

#include <cstdint>
#include <vector>

#include "net/address.h"
#include "net/reactor.h"
#include "net/result.h"
#include "net/sys.h"

namespace sluice {

// A bound and listening descriptor of the caller's. `reuse_port`: one of several, one a worker.
// `backlog`: connections that the kernel holds until they are accepted; it caps that at somaxconn.
// A unix path that is left over from a dead process (nobody answers) is replaced; `access` is set
// before anybody can connect.
Result<int> open_listener(const Address& address, bool reuse_port,
                          const sys::SocketFileAccess& access = {},
                          uint32_t backlog = sys::default_backlog);

// Whether somebody already listens there; SO_REUSEPORT would let us join silently (core/DESIGN.md
// 4). EADDRINUSE and the like come back as a Fault.
Status probe_address(const Address& address);

// AcceptSink takes accepted connections and owns `fd` from then on.
class AcceptSink {
 public:
  virtual ~AcceptSink() = default;
  virtual void on_accept(int fd, const Address& client, uint32_t listener) = 0;
  // Nobody will ever be accepted there again: a process that shares the socket has shut it down.
  // The Acceptor has stopped.
  virtual void on_listener_lost(uint32_t /*listener*/) {}
};

// Accepts for one worker. Its descriptors are the caller's and stay open.
class Acceptor final : public EventHandler {
 public:
  static constexpr int accepts_a_turn = 64;  // per listener; the rest waits for the next turn
  static constexpr uint64_t pause_ms = 250;  // after EMFILE: live sessions come first

  Acceptor(Reactor& reactor, AcceptSink& sink);

  // `listener` is the number that on_accept gets. Unix listeners are shared by all workers.
  Status add(int fd, uint32_t listener, bool shared);
  // Accepts nothing more; what waits in the queue is left there.
  void stop();
  // Accepts what is queued until EAGAIN, then nothing more: for a worker that leaves for good.
  void drain_and_stop();

  // Times that accepting had to pause, for the log and tests.
  uint64_t pauses() const { return pauses_; }
  // The error of the latest pause (EMFILE, ENFILE, ENOBUFS, ENOMEM).
  int pause_error() const { return pause_error_; }

  void on_ready(Handle handle, unsigned leg, Readiness ready) override;
  void on_timer(Handle handle, unsigned which) override;
  void on_run(Handle handle) override;

 private:
  struct Watched {
    int fd = -1;
    uint32_t listener = 0;
    bool put_off = false;  // a run or a timer will go on; an edge must not add another one
  };

  void accept_some(uint32_t index);
  void pause(uint32_t index, int error);
  template <class Later>
  void put_off(uint32_t index, Later later);

  Reactor& reactor_;
  AcceptSink& sink_;
  Reactor::HandlerId id_;
  std::vector<Watched> watched_;
  uint64_t pauses_ = 0;
  int pause_error_ = 0;
  bool stopped_ = false;
};

}  // namespace sluice
