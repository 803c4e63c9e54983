// WorkerDrains: what a worker is draining, each with its own window: everybody, once it ends,
// parts, until the master takes an order back, and sessions whose peer is gone.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/observe/end_cause.h"
#include "core/process/drain.h"
#include "core/session/drained.h"
#include "core/session/session.h"
#include "core/session/worker_context.h"
#include "net/reactor.h"

namespace sluice {

// Why sessions end where their worker does.
inline constexpr EndCause shutting_down{EndKind::shutdown, "shutting down"};

// Whether peers that a check finds to be down have their sessions drained (on_peer_gone drain).
bool watches_health(const Config& config);

class WorkerDrains final : public EventHandler {
 public:
  // The context outlives it, and so does its reactor.
  explicit WorkerDrains(WorkerContext& context);
  ~WorkerDrains() override;

  // Ends all sessions over the window, those that begin to relay meanwhile or later among them. A
  // second call changes nothing.
  void drain_all(uint64_t window_ms, CloseCode code);
  // From now on these are in force, and no others: the parts get no new session, and an order that
  // was not there before begins to end theirs. Throws std::bad_alloc, and may be called again.
  void use(std::span<const DrainOrder> orders);
  // Peers are marked as gone in next_wave(): ends their sessions over the window, which begins now,
  // or when that of the waves before is over; so peers that go one after the other do not put off
  // the end of the first one's sessions. 0: they stay.
  void drain_gone(uint64_t window_ms);
  uint32_t next_wave() const { return gone_wave_ + 1; }
  // Looks every second, from now on or no longer, which peers checks found to be down: their
  // sessions are drained where their upstream says so.
  void watch_health(bool watch);
  // To be called when upstreams have come or changed.
  void mark_peers();

  void on_ready(Handle, unsigned, Readiness) override {}
  void on_timer(Handle handle, unsigned which) override;
  void on_run(Handle handle) override;
  void on_turn_end() override;

 private:
  class Sessions;
  struct UnderWay {
    DrainOrder order;
    EndCause cause;
    Drain drain;
    bool soon = false;
    uint32_t gone_wave = 0;  // of sessions whose peer went in that wave or before; 0: of the part
  };

  void look_at_health();
  void begin_wave(uint64_t window_ms);
  void run_due();
  void tell_left(const UnderWay& drain);

  WorkerContext& context_;
  Reactor::HandlerId id_;
  std::vector<std::unique_ptr<UnderWay>> parts_;  // in the order of their numbers
  std::optional<UnderWay> all_;
  std::optional<UnderWay> gone_;
  uint32_t gone_wave_ = 0;        // whose window has begun
  uint64_t later_window_ms_ = 0;  // of the next wave, which waits for that one; 0: there is none
  size_t first_ = 0;  // of parts_, modulo their number: the one that ran first, last time
  TimerId timer_ = 0;
  uint64_t timer_due_ms_ = 0;
  TimerId health_timer_ = 0;
  bool queued_ = false;
};

}  // namespace sluice
