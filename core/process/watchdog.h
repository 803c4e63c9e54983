// Watchdog: finds workers, and keepers, whose loop stands still, and ends them, so that the master
// replaces them.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/observe/log.h"
#include "net/heartbeat.h"
#include "net/reactor.h"

namespace sluice {

// Whether a loop has stood still for worker_timeout, from looks at its heartbeat. A machine that
// was away for a while (suspended, or a virtual one paused) has its clock go on at once: so several
// looks in a row have to meet one and the same turn.
class LoopJudge {
 public:
  static constexpr uint32_t least_looks = 3;

  bool look(uint64_t busy_since_ms, uint64_t now_ms, uint32_t timeout_ms);

 private:
  uint64_t turn_ = 0;
  uint32_t looks_ = 0;  // that met it
};

// The master's; it looks four times in worker_timeout. A worker in its wait is well, also where it
// was stopped there (SIGSTOP): what stops it may let it go on. One that was stopped in the middle
// of a turn counts as stuck. It is sent SIGABRT, and SIGKILL where it has not ended in time.
class Watchdog final : public EventHandler {
 public:
  // A place of a process.
  struct Watched {
    pid_t pid = 0;  // 0: it has none
    const Heartbeat* heartbeat = nullptr;
    std::string name;  // "worker 3"
  };
  // All of them, each always at the same place.
  using Places = std::function<std::vector<Watched>()>;

  // How long a worker may take to end by SIGABRT: to write where it stands on a busy machine, and,
  // of a large one, a core.
  static constexpr uint64_t abort_allowance_ms(uint32_t worker_timeout_ms) {
    return std::max<uint64_t>(worker_timeout_ms, 1'000);
  }

  // All of it outlives the watchdog. `config` and `places` are asked at each look.
  Watchdog(Reactor& reactor, Log& log, const ConfigRef& config, Places places);

  // Looks from here on. Once.
  void begin() { arm(); }

  void on_ready(Handle, unsigned, Readiness) override {}
  void on_timer(Handle, unsigned) override;
  void on_run(Handle) override {}

 private:
  struct Place {
    pid_t pid = 0;  // whom the rest is about
    LoopJudge judge;
    uint64_t aborted_ms = 0;  // when it was sent SIGABRT; 0: it was not
  };

  void look(const Watched& watched, Place& place);
  void arm();

  Reactor& reactor_;
  Reactor::HandlerId id_;
  Log& log_;
  const ConfigRef& config_;
  Places watched_;
  std::vector<Place> places_;
};

}  // namespace sluice
