// PasswordMemory: one mapping, whose pages cost nothing until a password waits there.
#include "core/process/password_memory.h"

#include <array>
#include <cerrno>
#include <new>

#include "core/config.h"
#include "net/sys.h"
#include "net/sys_process.h"

namespace sluice {

struct PasswordMemory::Shared {
  std::atomic<uint32_t> bell{0};
  std::array<PasswordPlace, most_auth_basic_queue> places;
};

PasswordMemory::~PasswordMemory() {
  if (shared_ != nullptr) sys::unmap_memory(shared_, sizeof(Shared));
}

Status PasswordMemory::open() {
  shared_ = static_cast<Shared*>(sys::map_shared_memory(sizeof(Shared)));
  if (shared_ == nullptr) return Fault{"memory for passwords that wait", ENOMEM};
  return Done{};
}

PasswordQueue PasswordMemory::queue() const {
  return shared_ == nullptr ? PasswordQueue() : PasswordQueue(shared_->places, &shared_->bell);
}

}  // namespace sluice
