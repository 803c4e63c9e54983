// PeerMemory: what the workers' PeerBoards look at. Made by the master before its first fork, and
// good for its life: over reloads and over the ends of workers.
#pragma once

#include <cstdint>

#include "core/peers/peer_board.h"
#include "net/result.h"

namespace sluice {

class PeerMemory {
 public:
  PeerMemory() = default;
  PeerMemory(const PeerMemory&) = delete;
  PeerMemory& operator=(const PeerMemory&) = delete;
  ~PeerMemory();

  // Once, for so many workers at a time. Faults where the system has no memory for it.
  Status open(uint32_t workers);
  // Before the worker of that number starts.
  void note_worker(uint32_t number);
  PeerBoard::Memory memory() const { return memory_; }

 private:
  void* start_ = nullptr;
  size_t bytes_ = 0;
  PeerBoard::Memory memory_;
};

}  // namespace sluice
