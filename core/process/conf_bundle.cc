// The ids come first; what is behind them is the recording.
#include "core/process/conf_bundle.h"

#include <openssl/crypto.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "net/sys.h"
#include "net/sys_platform.h"
#include "net/sys_process.h"

namespace sluice {

Result<ConfBundle> ConfBundle::make(const ConfIds& ids, std::string_view recording) {
  const std::string begin = ids.bytes();
  const size_t bytes = begin.size() + recording.size();
  const int fd = sys::memory_file(bytes);
  if (fd < 0) return Fault{"memory for the workers' conf", -fd};
  void* const memory = sys::map_file(fd, bytes, true);
  if (memory == nullptr) {
    sys::close(fd);
    return Fault{"memory for the workers' conf", ENOMEM};
  }
  ConfBundle bundle(fd, memory, bytes);
  std::memcpy(memory, begin.data(), begin.size());
  std::memcpy(static_cast<char*>(memory) + begin.size(), recording.data(), recording.size());
  if (const int sealed = sys::seal_memory_file(fd); sealed < 0) return Fault{"seals", -sealed};
  return bundle;
}

ConfBundle::ConfBundle(ConfBundle&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      memory_(std::exchange(other.memory_, nullptr)),
      bytes_(other.bytes_) {}

ConfBundle::~ConfBundle() {
  if (memory_ == nullptr) return;
  OPENSSL_cleanse(memory_, bytes_);
  leave_to_parent();
}

void ConfBundle::leave_to_parent() {
  sys::unmap_memory(std::exchange(memory_, nullptr), bytes_);
  sys::close(fd_);
}

Result<MappedBundle> MappedBundle::map(int fd, size_t bytes) {
  void* const memory = sys::map_file(fd, bytes, false);
  sys::close(fd);
  if (memory == nullptr) return Fault{"mmap", ENOMEM};
  MappedBundle bundle(memory, bytes);
  bundle.recording_ = {static_cast<const char*>(memory), bytes};
  std::optional<ConfIds> ids = ConfIds::from(bundle.recording_);
  if (!ids) return Fault{"no ids in the master's conf", 0};
  bundle.ids_ = std::move(*ids);
  return bundle;
}

MappedBundle::MappedBundle(MappedBundle&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)),
      bytes_(other.bytes_),
      ids_(std::move(other.ids_)),
      recording_(other.recording_) {}

MappedBundle::~MappedBundle() {
  if (memory_ != nullptr) sys::unmap_memory(memory_, bytes_);
}

}  // namespace sluice
