// OwnUse: tells, once a second, in memory that all processes share, what its process takes of the
// machine.
#pragma once

#include <cstdint>

#include "core/observe/counters.h"
#include "net/reactor.h"
#include "net/sys_use.h"

namespace sluice {

class OwnUse {
 public:
  static constexpr uint64_t every_ms = 1'000;

  // `told` outlives it. To be made by the process that it is about, before it gives up its rights.
  explicit OwnUse(ProcessGauges& told);

  void tell();

 private:
  ProcessGauges& told_;
  sys::ProcessMeter meter_;
  uint64_t cpu_told_ms_ = 0;
};

// The same by a timer of its own, for a process that has nothing else to tell.
class OwnUseByTimer final : public EventHandler {
 public:
  // It begins at once. `reactor` and `told` outlive it.
  OwnUseByTimer(Reactor& reactor, ProcessGauges& told);

  void on_ready(Handle, unsigned, Readiness) override {}
  void on_timer(Handle handle, unsigned which) override;
  void on_run(Handle) override {}

 private:
  Reactor& reactor_;
  Reactor::HandlerId id_;
  OwnUse use_;
};

}  // namespace sluice
