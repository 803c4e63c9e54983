// sys, what the process that asks takes of the machine.
#pragma once

#include <cstdint>

namespace sluice::sys {

// 0: the system does not tell.
struct ProcessUse {
  uint64_t cpu_ms = 0;
  uint64_t resident_bytes = 0;
  uint64_t virtual_bytes = 0;
  uint64_t descriptors = 0;  // that are open
};

// Holds open what it reads, so that it can be asked when the process may open nothing any more. Of
// the process that made it, not of those that it forks.
class ProcessMeter {
 public:
  ProcessMeter();
  ProcessMeter(const ProcessMeter&) = delete;
  ProcessMeter& operator=(const ProcessMeter&) = delete;
  ~ProcessMeter();

  ProcessUse read() const;

 private:
  int memory_;
  int descriptors_;
};

}  // namespace sluice::sys
