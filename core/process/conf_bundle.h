// ConfBundle: what a worker needs to load the conf that the master has loaded, namely its ids and
// the recording of its inputs, in memory that the workers map. It holds keys.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "core/conf/conf_ids.h"
#include "net/result.h"

namespace sluice {

// The master's: it alone can write. Wiped for all processes with this object, so it lives until the
// last worker has done with it.
class ConfBundle {
 public:
  static Result<ConfBundle> make(const ConfIds& ids, std::string_view recording);
  ConfBundle(ConfBundle&& other) noexcept;
  ConfBundle& operator=(ConfBundle&&) = delete;
  ~ConfBundle();

  // In a forked child, which shares the memory: lets go of it without wiping it.
  void leave_to_parent();

  int fd() const { return fd_; }
  size_t bytes() const { return bytes_; }

 private:
  ConfBundle(int fd, void* memory, size_t bytes) : fd_(fd), memory_(memory), bytes_(bytes) {}

  int fd_;
  void* memory_;
  size_t bytes_;
};

// A worker's view of one.
class MappedBundle {
 public:
  // Owns the descriptor, and closes it also where it cannot be mapped. Faults with an errno value,
  // without one where its bytes are malformed.
  static Result<MappedBundle> map(int fd, size_t bytes);
  MappedBundle(MappedBundle&& other) noexcept;
  MappedBundle& operator=(MappedBundle&&) = delete;
  ~MappedBundle();

  const ConfIds& ids() const { return ids_; }
  std::string_view recording() const { return recording_; }  // as long as this lives

 private:
  MappedBundle(void* memory, size_t bytes) : memory_(memory), bytes_(bytes) {}

  void* memory_;
  size_t bytes_;
  ConfIds ids_;
  std::string_view recording_;
};

}  // namespace sluice
