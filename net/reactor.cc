// A cookie carries handler, leg (or timer number), generation and index:
//   63      58 57  56 55            28 27         0
//   [handler ] [leg ] [ generation   ] [  index   ]
#include "net/reactor.h"

#include <algorithm>
#include <bit>

#include "net/check.h"
#include "net/sys.h"

namespace sluice {

namespace {

constexpr uint64_t ns_a_ms = 1'000'000;
constexpr uint64_t ns_a_us = 1'000;

uint64_t pack(uint32_t handler, Handle handle, unsigned leg) {
  SLUICE_DCHECK(handler < 64 && leg < 4);
  return uint64_t{handler} << 58 | uint64_t{leg} << 56 |
         uint64_t{handle.generation} << Handle::index_bits | handle.index;
}

Handle handle_of(uint64_t cookie) {
  return Handle{
      static_cast<uint32_t>(cookie & ((1u << Handle::index_bits) - 1)),
      static_cast<uint32_t>(cookie >> Handle::index_bits) & ((1u << Handle::generation_bits) - 1)};
}

unsigned leg_of(uint64_t cookie) {
  return static_cast<unsigned>(cookie >> 56) & 3;
}
uint32_t handler_of(uint64_t cookie) {
  return static_cast<uint32_t>(cookie >> 58);
}

}  // namespace

Reactor::Reactor() : now_ms_(sys::monotonic_ms()), timers_(now_ms_) {
  run_queue_.reserve(expected_runs);
}

Reactor::HandlerId Reactor::attach(EventHandler& handler) {
  SLUICE_CHECK(handler_count_ < handlers_.size());
  handlers_[handler_count_] = &handler;
  return handler_count_++;
}

Status Reactor::watch(int fd, HandlerId handler, Handle handle, unsigned leg) {
  return poller_.add(fd, pack(handler, handle, leg));
}

Status Reactor::rewatch(int fd, HandlerId handler, Handle handle, unsigned leg) {
  return poller_.rename(fd, pack(handler, handle, leg));
}

Status Reactor::watch_listener(int fd, HandlerId handler, Handle handle, bool shared) {
  return poller_.add_listener(fd, pack(handler, handle, 0), shared);
}

TimerId Reactor::arm(uint64_t deadline_ms, HandlerId handler, Handle handle, unsigned which) {
  return timers_.arm(deadline_ms, pack(handler, handle, which));
}

void Reactor::enqueue(HandlerId handler, Handle handle) {
  run_queue_.push_back(pack(handler, handle, 0));
}

void Reactor::announce(HandlerId handler, Handle handle, unsigned leg, Readiness ready) {
  announced_.push_back({pack(handler, handle, leg), ready});
}

void Reactor::update_clock() {
  now_ms_ = std::max(now_ms_, sys::monotonic_ms());
}

void Reactor::turn(int most_ms) {
  // now_ms_ is from before the last turn's work, and deadlines have come nearer since.
  const bool busy = run_queue_length() > 0 || !announced_.empty();
  int wait_ms = 0;
  if (!busy) {
    const uint64_t now_ns = sys::monotonic_ns();
    note_turn(now_ns);
    wait_ms = timers_.wait_ms(now_ns / ns_a_ms);
  }
  if (most_ms >= 0 && (wait_ms < 0 || wait_ms > most_ms)) wait_ms = most_ms;
  // Runs that are put off from here on belong to a later turn.
  const size_t runs_end = std::min(run_queue_.size(), run_head_ + runs_a_turn);
  heartbeat_->rest();
  const size_t count = poller_.wait(events_, wait_ms);
  const uint64_t now_ns = sys::monotonic_ns();
  if (busy) note_turn(now_ns);  // such a wait takes no time
  woke_ns_ = now_ns;
  now_ms_ = std::max(now_ms_, now_ns / ns_a_ms);
  heartbeat_->work(now_ms_);
  for (size_t i = 0; i < count; ++i) dispatch(events_[i]);
  dispatch_announced();

  uint64_t cookie = 0;
  while (timers_.expire_next(now_ms_, cookie)) {
    handlers_[handler_of(cookie)]->on_timer(handle_of(cookie), leg_of(cookie));
  }
  run_some(runs_end);
  for (uint32_t i = 0; i < handler_count_; ++i) handlers_[i]->on_turn_end();
}

// What is announced meanwhile waits for the next turn, so that a turn ends.
void Reactor::dispatch_announced() {
  if (announced_.empty()) return;
  telling_.swap(announced_);
  for (const PollEvent& each : telling_) dispatch(each);
  telling_.clear();
}

void Reactor::note_turn(uint64_t end_ns) {
  if (woke_ns_ == 0) return;
  const uint64_t took_ns = end_ns - woke_ns_;
  longest_turn_ns_ = std::max(longest_turn_ns_, took_ns);
  turn_times_.sum_ns += took_ns;
  ++turn_times_.counts[std::min<size_t>(static_cast<size_t>(std::bit_width(took_ns / ns_a_us)),
                                        turn_times_.counts.size() - 1)];
}

// The queue is a vector that is emptied from its front; what was taken is erased once it is the
// larger part.
void Reactor::run_some(size_t end) {
  while (run_head_ < end) {
    const uint64_t cookie = run_queue_[run_head_++];
    handlers_[handler_of(cookie)]->on_run(handle_of(cookie));
  }
  if (run_head_ * 2 >= run_queue_.size()) {
    run_queue_.erase(run_queue_.begin(), run_queue_.begin() + static_cast<ptrdiff_t>(run_head_));
    run_head_ = 0;
  }
}

void Reactor::run() {
  stopped_ = false;
  while (!stopped_) turn(-1);
}

void Reactor::dispatch(const PollEvent& event) {
  handlers_[handler_of(event.cookie)]->on_ready(handle_of(event.cookie), leg_of(event.cookie),
                                                event.ready);
}

}  // namespace sluice
