// AnswerMemory: a mapping that is shared over fork().
#include "core/process/answer_memory.h"

#include <cerrno>
#include <new>
#include <utility>

#include "net/sys.h"
#include "net/sys_process.h"

namespace sluice {

Status AnswerMemory::open() {
  start_ = static_cast<char*>(sys::map_shared_memory(most_bytes + sizeof(Heartbeat)));
  if (start_ == nullptr) return Fault{"memory for what names lead to", ENOMEM};
  heartbeat_ = new (start_ + most_bytes) Heartbeat;
  return Done{};
}

void AnswerMemory::close() {
  if (start_ != nullptr)
    sys::unmap_memory(std::exchange(start_, nullptr), most_bytes + sizeof(Heartbeat));
}

}  // namespace sluice
