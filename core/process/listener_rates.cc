// ListenerRateMemory: pages that no listener uses are never touched, and so cost nothing.
#include "core/process/listener_rates.h"

#include <cerrno>

#include "net/sys.h"
#include "net/sys_process.h"

namespace sluice {

namespace {

constexpr size_t room = 16'384;

}  // namespace

ListenerRateMemory::~ListenerRateMemory() {
  if (!rates_.empty()) sys::unmap_memory(rates_.data(), rates_.size_bytes());
}

Status ListenerRateMemory::open() {
  void* const memory = sys::map_shared_memory(room * sizeof(SharedRate));
  if (memory == nullptr) return Fault{"handshake rates", ENOMEM};
  rates_ = {static_cast<SharedRate*>(memory), room};
  return Done{};
}

}  // namespace sluice
