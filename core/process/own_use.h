// OwnUse: tells, in memory that all processes share, what its process takes of the machine.
#pragma once

#include <cstdint>

#include "core/observe/counters.h"
#include "net/sys_use.h"

namespace sluice {

class OwnUse {
 public:
  // `told` outlives it. To be made by the process that it is about, before it gives up its rights.
  explicit OwnUse(ProcessGauges& told);

  void tell();

 private:
  ProcessGauges& told_;
  sys::ProcessMeter meter_;
  uint64_t cpu_told_ms_ = 0;
};

}  // namespace sluice
