// What `sluice -s status` shows of the workers, as JSON.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "core/observe/counters.h"
#include "core/observe/json.h"

namespace sluice {

// Sessions that the row's worker relays now. `lost`: those that ended with earlier processes in its
// place, which the row never counts as ended.
uint64_t living_sessions(const WorkerRow& row, uint64_t lost);

// An object about the worker with that number. `pid` 0: nobody has its place now.
Json worker_status(uint32_t number, pid_t pid, const WorkerRow& row, const LabelRows& labels,
                   uint64_t lost);

}  // namespace sluice
