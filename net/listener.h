// Listeners: opening listening sockets, and the Acceptor that takes connections from them, a
// bounded number a turn and, where there is a limit, a second, and pauses instead of spinning when
// descriptors run out.
#pragma once

#include <cstdint>
#include <vector>

#include "net/address.h"
#include "net/reactor.h"
#include "net/result.h"
#include "net/shared_rate.h"
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

// How fast connections are accepted from a listener, by all who share `rate`. Those beyond it wait
// in the kernel's backlog; where somebody has waited there for queue_time_ms without a break, those
// who wait are refused until nobody waits.
struct AcceptLimit {
  SharedRate* rate = nullptr;  // outlives the Acceptor; null: there is no limit
  SharedRate::Limit limit;
  uint32_t queue_time_ms = 0;

  bool operator==(const AcceptLimit&) const = default;
};

// AcceptSink takes accepted connections and owns `fd` from then on.
class AcceptSink {
 public:
  virtual ~AcceptSink() = default;
  virtual void on_accept(int fd, const Address& client, uint32_t listener) = 0;
  // One that was accepted beyond the listener's limit: it is to be told that, or closed.
  virtual void on_refuse(int fd, const Address& /*client*/, uint32_t /*listener*/) {
    sys::close(fd);
  }
  // The listener begins to hold connections back for its limit.
  virtual void on_hold_back(uint32_t /*listener*/) {}
  // Nobody will ever be accepted there again: a process that shares the socket has shut it down.
  // The Acceptor has stopped.
  virtual void on_listener_lost(uint32_t /*listener*/) {}
};

// Accepts for one worker. Its descriptors are the caller's and stay open.
class Acceptor final : public EventHandler {
 public:
  static constexpr int accepts_a_turn = 64;  // per listener; the rest waits for the next turn
  static constexpr uint64_t pause_ms = 250;  // after EMFILE: live sessions come first
  // A thousand a second and listener: to refuse costs little, and still takes turns from sessions.
  static constexpr int refusals_at_once = 8;
  static constexpr uint64_t refuse_every_ms = 8;

  Acceptor(Reactor& reactor, AcceptSink& sink);

  // `listener` is the number that on_accept gets; several descriptors may have the same. Unix
  // listeners are shared by all workers. Throws std::bad_alloc and changes nothing, then.
  Status add(int fd, uint32_t listener, bool shared, const AcceptLimit& limit = {});
  // From now on that limit holds for that descriptor, which was added; whom the one before held
  // back is looked at anew.
  void set_limit(int fd, const AcceptLimit& limit);
  // Accepts nothing more from that descriptor, which was added; what waits in its queue is left
  // there.
  void remove(int fd);
  // Accepts what is queued there until EAGAIN, then nothing more: for a listener that goes for
  // good. Beyond its limit it refuses, without waiting.
  void drain_and_remove(int fd);
  // These do the same to all, and nothing is added any more.
  void stop();
  void drain_and_stop();

  // Times that accepting had to pause for lack of something, for the log and tests.
  uint64_t pauses() const { return pauses_; }
  // The error of the latest pause (EMFILE, ENFILE, ENOBUFS, ENOMEM).
  int pause_error() const { return pause_error_; }

  void on_ready(Handle handle, unsigned leg, Readiness ready) override;
  void on_timer(Handle handle, unsigned which) override;
  void on_run(Handle handle) override;

 private:
  struct Watched {
    int fd = -1;  // -1: the place is free
    uint32_t listener = 0;
    uint32_t generation = 1;  // counts those that had the place: events of earlier ones are void
    bool put_off = false;     // a run or a timer will go on; an edge must not add another one
    bool holds_back = false;  // for its limit, since held_since_ms
    AcceptLimit limit;
    uint64_t held_since_ms = 0;
    TimerId timer = 0;  // that goes on behind such a pause; 0: there is none
  };

  Watched& watched_of(int fd);
  Watched* find(Handle handle);
  Handle handle_of(const Watched& watched) const;
  Watched take_out(int fd);
  // Accepts one, or returns -errno.
  int accept_one(const Watched& watched, bool refused);
  void drain(const Watched& watched);
  void accept_some(Handle handle);
  void pause(Handle handle, int error);
  void hold_back(Handle handle, uint64_t due_ns);
  bool refuse_some(Handle handle);
  template <class Later>
  void put_off(Handle handle, Later later);

  Reactor& reactor_;
  AcceptSink& sink_;
  Reactor::HandlerId id_;
  std::vector<Watched> watched_;
  uint64_t pauses_ = 0;
  int pause_error_ = 0;
  bool stopped_ = false;
};

}  // namespace sluice
