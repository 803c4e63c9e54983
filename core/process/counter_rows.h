// CounterRows: the workers' counters, in memory that the master and all workers share.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/observe/counters.h"
#include "net/result.h"

namespace sluice {

// Made by the master before its first fork, and good for its life: a row goes on counting when
// another process takes its worker's place.
class CounterRows {
 public:
  CounterRows() = default;
  CounterRows(const CounterRows&) = delete;
  CounterRows& operator=(const CounterRows&) = delete;
  ~CounterRows();

  // Once. Faults where the system has no memory for them.
  Status open(uint32_t workers);
  // The row of the worker with that number. That worker alone writes; everybody reads.
  WorkerRow& row(uint32_t worker) { return rows_[worker]; }

 private:
  WorkerRow* rows_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace sluice
