// ClientMemory: what the workers' ClientLimits look at. Made by the master before its first fork,
// and good for its life: over reloads and over the ends of workers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/session/client_limits.h"
#include "net/result.h"

namespace sluice {

class ClientMemory {
 public:
  ClientMemory() = default;
  ClientMemory(const ClientMemory&) = delete;
  ClientMemory& operator=(const ClientMemory&) = delete;
  ~ClientMemory();

  // Once, for so many workers at a time, each with a table of so many entries, and one table for
  // rates. Faults where the system has no memory for it.
  Status open(uint32_t workers, uint32_t entries);
  // Before the worker of that number starts.
  void note_worker(uint32_t number);
  // The worker of that number is dead: what it counted is nobody's any more.
  void bury(uint32_t worker);
  const ClientLimits::Memory& memory() const { return memory_; }

 private:
  void* start_ = nullptr;
  size_t bytes_ = 0;
  ClientLimits::Memory memory_;
};

}  // namespace sluice
