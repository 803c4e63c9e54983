// MemoryText: the sender writes through a mapping, and seals the file behind it.
#include "core/process/memory_text.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include "net/sys.h"
#include "net/sys_platform.h"
#include "net/sys_process.h"

namespace sluice {

namespace {

constexpr const char* what = "memory for a message";

}  // namespace

Result<MemoryText> MemoryText::make(std::string_view text) {
  const int fd = sys::memory_file(text.size());
  if (fd < 0) return Fault{what, -fd};
  MemoryText made(fd, text.size());
  if (!text.empty()) {
    void* const memory = sys::map_file(fd, text.size(), true);
    if (memory == nullptr) return Fault{what, ENOMEM};
    std::memcpy(memory, text.data(), text.size());
    sys::unmap_memory(memory, text.size());
  }
  if (const int sealed = sys::seal_memory_file(fd); sealed < 0) return Fault{what, -sealed};
  return made;
}

MemoryText::MemoryText(MemoryText&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), bytes_(other.bytes_) {}

MemoryText& MemoryText::operator=(MemoryText&& other) noexcept {
  close();
  fd_ = std::exchange(other.fd_, -1);
  bytes_ = other.bytes_;
  return *this;
}

void MemoryText::close() {
  if (fd_ >= 0) sys::close(std::exchange(fd_, -1));
}

Result<std::string> take_memory_text(int fd, size_t bytes) {
  if (bytes == 0) {
    sys::close(fd);
    return std::string();
  }
  void* const memory = sys::map_file(fd, bytes, false);
  sys::close(fd);
  if (memory == nullptr) return Fault{what, ENOMEM};
  std::string text(static_cast<const char*>(memory), bytes);
  sys::unmap_memory(memory, bytes);
  return text;
}

}  // namespace sluice
