// MemoryText: a text of any length as a descriptor, for a message to another process.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "net/result.h"

namespace sluice {

// The sender's. Sealed: whoever gets the descriptor can only read it.
class MemoryText {
 public:
  static Result<MemoryText> make(std::string_view text);
  MemoryText(MemoryText&& other) noexcept;
  MemoryText& operator=(MemoryText&& other) noexcept;
  ~MemoryText() { close(); }

  int fd() const { return fd_; }
  size_t bytes() const { return bytes_; }

 private:
  MemoryText(int fd, size_t bytes) : fd_(fd), bytes_(bytes) {}
  void close();

  int fd_;
  size_t bytes_;
};

// Owns the descriptor, and closes it. Faults with an errno value.
Result<std::string> take_memory_text(int fd, size_t bytes);

}  // namespace sluice
