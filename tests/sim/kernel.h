// Kernel: descriptors, listeners, the poller's ready list and the signal pipe of one simulated run.
// Its wait() is where the world advances.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/address.h"
#include "net/poller.h"
#include "tests/sim/connection.h"
#include "tests/sim/world.h"

namespace sluice::sim {

// What the run does where the proxy connects: makes the peer, now or later, or an error.
class Dialled {
 public:
  virtual ~Dialled() = default;
  // 0, -EINPROGRESS or another -errno; owns nothing.
  virtual int on_connect(Connection& connection, const Address& address) = 0;
};

// Looks at the run from outside; calls come from wait().
class Watcher {
 public:
  virtual ~Watcher() = default;
  // A turn of the reactor is over. Returns whether it gave the worker work: how long to wait was
  // decided before.
  virtual bool on_turn_end() = 0;
  // Nothing is ready, nobody has work put off, and the clock is about to move.
  virtual void on_quiet() = 0;
  // The clock has moved and events were chosen.
  virtual void on_wake() = 0;
  // Neither the proxy nor the world has anything to wait for: time to end, or stuck.
  virtual void on_end_of_time() = 0;
};

class Kernel {
 public:
  struct Rules {
    int descriptor_limit = 1'000;
    unsigned subset_percent = 30;    // waits that report only some of what is ready
    unsigned spurious_percent = 5;   // waits that report an edge that nothing caused
    unsigned interrupt_percent = 1;  // waits that end early without an event (EINTR)
    int watch_faults = 0;            // epoll_ctl() fails so often with ENOSPC, at random
    int accept_faults = 0;           // the same for accept() and ENFILE
    int mappings_until_fault = 0;    // the mmap() with that number fails
    size_t most_spliced = SIZE_MAX;  // splices move at most a random part of that
    uint64_t turn_cost_ns = 20'000;  // up to so much passes with each turn
    uint64_t late_ns = 300'000;      // timeouts are up to so late
  };

  explicit Kernel(const Rules& rules);
  ~Kernel();

  // --- for the run -------------------------------------------------------------------------------
  int make_listener(const Address& address);
  // A client's connection, waiting to be accepted.
  Connection& connect_client(int listener, const Link& link, const Address& from);
  // One that is gone before it is accepted: accept() says ECONNABORTED once.
  void abort_client(int listener);
  int make_log(std::function<ssize_t(std::string_view)> write);
  void raise_signal(int signal);
  const std::vector<std::unique_ptr<Connection>>& connections() const { return connections_; }
  size_t waiting_signals() const { return signals_.size(); }
  int open_descriptors() const;  // of the proxy's own making
  std::string describe_descriptors() const;
  bool descriptors_left() const { return lowest_free() >= 0; }
  void set_descriptor_limit(int limit) { rules_.descriptor_limit = limit; }
  int descriptor_limit() const { return rules_.descriptor_limit; }
  void progress() { turns_without_progress_ = 0; }

  Dialled* dialled = nullptr;
  Watcher* watcher = nullptr;
  std::function<void(int)> on_signal_read;
  Link upstream_link;  // of connections that the proxy makes
  size_t mapped_bytes = 0;
  size_t mappings = 0;
  uint64_t acts_in_turn = 0;

  // --- for sys -----------------------------------------------------------------------------------
  Connection& stream(int fd);
  int new_stream();
  int accept(int listener, Address& peer);
  bool connection_waits(int listener);
  int connect(int fd, const Address& address);
  int close(int fd, bool abort);
  int make_pipe(int ends[2]);
  // From a stream into a pipe, or from a pipe into a stream.
  ssize_t splice(int from, int to, size_t bytes);
  ssize_t read_pipe(int fd, char* buffer, size_t bytes);
  int make_signal_pipe();
  int next_signal(int fd);
  ssize_t write_log(int fd, std::string_view bytes);
  int new_poller();
  void mark_abort(int fd);
  void count_act();

  // --- for the poller ----------------------------------------------------------------------------
  void watch(int fd, uint64_t cookie);
  bool unwatch(int fd);
  bool take_watch_fault();
  bool take_mapping_fault();
  size_t wait(std::span<PollEvent> events, int timeout_ms);

 private:
  enum class Kind : uint8_t { none, stream, listener, signals, log, poller, pipe_in, pipe_out };

  struct Listener {
    Address address;
    std::deque<Connection*> waiting;  // null: aborted
  };

  struct Entry {
    Kind kind = Kind::none;
    Connection* connection = nullptr;
    std::unique_ptr<Listener> listener;
    std::shared_ptr<ByteQueue> pipe;  // of both ends
    std::function<ssize_t(std::string_view)> write;
    uint64_t cookie = 0;
    bool watched = false;
    bool ready = false;
    bool abort = false;
    bool ours = false;  // made by the run, not by the proxy
  };

  Entry& entry(int fd, Kind kind);
  int lowest_free() const;
  int allocate(Kind kind, bool ours);
  Connection& add_connection(const Link& link);
  void wake(int fd);
  Readiness poll(Entry& entry);
  void pass_time(int timeout_ms);
  size_t deliver(std::span<PollEvent> events);
  bool check_turn();

  Rules rules_;
  std::vector<Entry> table_;
  std::vector<int> ready_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::deque<int> signals_;
  int signal_fd_ = -1;
  int turns_without_progress_ = 0;
  int spurious_left_ = 100;  // edges that nothing caused; each of them puts idle_timeout off
};

Kernel& kernel();

}  // namespace sluice::sim
