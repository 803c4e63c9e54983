// Reactor: one turn of the loop. It waits once, tells the handlers what became ready, which timers
// expired and whose run was put off, and lets them sweep. It knows handles, not what they name.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "net/heartbeat.h"
#include "net/poller.h"
#include "net/pool.h"
#include "net/result.h"
#include "net/timers.h"

namespace sluice {

// A handler owns one kind of handle. Calls come from turn() only. A handle may be stale; the
// handler finds that out from its Pool. A handler must not destroy an object before on_turn_end
// (retire, then sweep).
class EventHandler {
 public:
  virtual ~EventHandler() = default;
  // `leg` is the number that watch() was given, 0 to 3.
  virtual void on_ready(Handle handle, unsigned leg, Readiness ready) = 0;
  virtual void on_timer(Handle handle, unsigned which) = 0;
  // A run that enqueue() put off.
  virtual void on_run(Handle handle) = 0;
  virtual void on_turn_end() {}
};

class Reactor {
 public:
  // A handler's number in cookies.
  using HandlerId = uint32_t;

  // Runs that were put off have much to do, so the events come again after a few of them; to look
  // for events after each one costs more than it gains (15 % of the CPU time of 1 MiB messages).
  static constexpr size_t runs_a_turn = 4;
  // The queue of runs has room for so many from the start, so that relaying does not allocate.
  static constexpr size_t expected_runs = 1024;

  Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  Status open() { return poller_.open(); }

  // In a forked child, before it makes a reactor of its own: it may not use this one any more,
  // which goes on in the parent as it is.
  void leave_to_parent() { poller_.leave_to_parent(); }

  // At most 64; handlers outlive the reactor's last turn.
  HandlerId attach(EventHandler& handler);

  // Registers the descriptor, which stays its owner's. It must be unwatched before it is closed.
  Status watch(int fd, HandlerId handler, Handle handle, unsigned leg);
  Status watch_listener(int fd, HandlerId handler, Handle handle, bool shared);
  void unwatch(int fd) { poller_.remove(fd); }
  // The same of one that watch() registered for somebody else; what it is ready for is told again.
  // Where that fails it is not watched any more.
  Status rewatch(int fd, HandlerId handler, Handle handle, unsigned leg);

  // Timers; `which` is 0 to 3. The id is void once the timer has expired.
  TimerId arm(uint64_t deadline_ms, HandlerId handler, Handle handle, unsigned which);
  void cancel(TimerId id) { timers_.cancel(id); }

  // Puts a run off to a later turn, after its events, so that one busy peer starves nobody: the
  // next one, where no more than runs_a_turn wait. Each entry is one run; a caller that
  // must not run twice keeps a flag.
  void enqueue(HandlerId handler, Handle handle);

  // For a handler that stands between a descriptor and others' handles: tells that readiness to
  // `handler`, as an event of a descriptor would, in this turn after the poller's, or else, from
  // a run or the turn's end, in the next one, which does not wait then.
  void announce(HandlerId handler, Handle handle, unsigned leg, Readiness ready);

  // The clock of this turn, the same for all of its handlers.
  uint64_t now_ms() const { return now_ms_; }
  // Reads the clock again, for start-up work that takes long.
  void update_clock();

  // Waits at most `most_ms` (-1: until something happens) and dispatches.
  void turn(int most_ms);
  void run();  // turns until stop()
  void stop() { stopped_ = true; }

  // The longest that a turn has worked between two waits since this was last asked, in nanoseconds.
  uint64_t take_longest_turn_ns() { return std::exchange(longest_turn_ns_, 0); }

  // How long turns have worked so far, between two waits: the n-th place counts those that took at
  // least 2^(n-1) and less than 2^n microseconds, the last one all longer ones.
  struct TurnTimes {
    std::array<uint64_t, 32> counts{};
    uint64_t sum_ns = 0;
  };
  const TurnTimes& turn_times() const { return turn_times_; }

  // The descriptor is readable while a turn would find events. It serves callers that wait by a
  // finer clock than this one.
  int descriptor() const { return poller_.descriptor(); }

  // From here on the loop tells there whether it turns. The place outlives the reactor's last turn.
  void tell_turns(Heartbeat& heartbeat) {
    heartbeat_ = &heartbeat;
    heartbeat_->work(now_ms_);
  }

  size_t armed_timers() const { return timers_.armed(); }
  size_t run_queue_length() const { return run_queue_.size() - run_head_; }

 private:
  void dispatch(const PollEvent& event);
  void dispatch_announced();
  void run_some(size_t end);
  void note_turn(uint64_t end_ns);

  Poller poller_;
  uint64_t now_ms_;
  uint64_t woke_ns_ = 0;  // when the latest wait ended
  uint64_t longest_turn_ns_ = 0;
  TurnTimes turn_times_;
  Timers timers_;
  std::array<EventHandler*, 64> handlers_{};
  uint32_t handler_count_ = 0;
  std::array<PollEvent, Poller::max_events> events_;
  std::vector<uint64_t> run_queue_;  // from run_head_ on
  size_t run_head_ = 0;
  std::vector<PollEvent> announced_;  // by handlers, and not told yet
  std::vector<PollEvent> telling_;    // those that are being told; kept for its room
  bool stopped_ = false;
  Heartbeat unread_;
  Heartbeat* heartbeat_ = &unread_;
};

}  // namespace sluice
