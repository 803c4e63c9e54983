// CounterRows: a row is good as the kernel gives its memory, all zero.
#include "core/process/counter_rows.h"

#include <cerrno>
#include <new>

#include "net/sys.h"
#include "net/sys_process.h"

namespace sluice {

CounterRows::~CounterRows() {
  if (rows_ != nullptr) sys::unmap_memory(rows_, bytes_);
}

Status CounterRows::open(uint32_t workers) {
  bytes_ = workers * sizeof(WorkerRow);
  void* const memory = sys::map_shared_memory(bytes_);
  if (memory == nullptr) return Fault{"counters", ENOMEM};
  rows_ = static_cast<WorkerRow*>(memory);
  for (uint32_t i = 0; i < workers; ++i) new (rows_ + i) WorkerRow;
  return Done{};
}

}  // namespace sluice
