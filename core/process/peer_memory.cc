// PeerMemory: one mapping. Pages that no peer and no worker use are never touched, and so cost
// nothing; each part is good as the kernel gives it, all zero.
#include "core/process/peer_memory.h"

#include <cerrno>
#include <new>

#include "net/sys.h"
#include "net/sys_process.h"

namespace sluice {

namespace {

// Peers beyond it are known to each worker by itself. A master counts all that any conf named.
constexpr size_t room = 16'384;

}  // namespace

PeerMemory::~PeerMemory() {
  if (start_ != nullptr) sys::unmap_memory(start_, bytes_);
}

Status PeerMemory::open(uint32_t workers) {
  const size_t health_bytes = room * sizeof(PeerHealth);
  const size_t rows_bytes = workers * room * sizeof(PeerRow);
  bytes_ = health_bytes + rows_bytes + sizeof(std::atomic<uint32_t>);
  start_ = sys::map_shared_memory(bytes_);
  if (start_ == nullptr) return Fault{"the peers' state", ENOMEM};
  auto* const bytes = static_cast<char*>(start_);
  memory_.health = {reinterpret_cast<PeerHealth*>(bytes), room};
  memory_.rows = {reinterpret_cast<PeerRow*>(bytes + health_bytes), workers * room};
  memory_.workers = new (bytes + health_bytes + rows_bytes) std::atomic<uint32_t>(0);
  return Done{};
}

void PeerMemory::note_worker(uint32_t number) {
  if (number >= memory_.workers->load(std::memory_order_relaxed)) {
    memory_.workers->store(number + 1, std::memory_order_relaxed);
  }
}

}  // namespace sluice
