// PipePool: pipes through which payload passes inside the kernel, by splice(2) from socket to
// socket without being copied. A worker lends them last-in first-out and for as long as they hold
// bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace sluice {

// Lent by a PipePool. Both ends are non-blocking.
struct Pipe {
  int in = -1;
  int out = -1;
  uint32_t bytes = 0;  // in it, as its borrower counts them
};

// One per worker and thread; outlives every borrower. Few, because each takes two descriptors. All
// are opened at start, so that a session never lacks one; without a free pipe the caller copies.
class PipePool {
 public:
  static constexpr size_t most_pipes = 16;
  // A pipe has room for so many bytes where the kernel's pieces are whole pages, and for more where
  // they are larger.
  static constexpr uint32_t pipe_bytes = 512 * 1024;

  PipePool() = default;  // lends none
  PipePool(const PipePool&) = delete;
  PipePool& operator=(const PipePool&) = delete;
  ~PipePool();

  // Opens so many, at most most_pipes and what the system permits; to be called while none is lent.
  void set_limit(size_t pipes);
  size_t left() const { return free_count_; }
  size_t lent() const { return count_ - free_count_; }

  // An empty pipe; null where none is left.
  Pipe* borrow();
  // Drops the bytes that it still holds.
  void give_back(Pipe* pipe);

 private:
  std::array<Pipe, most_pipes> pipes_;
  std::array<Pipe*, most_pipes> free_{};
  size_t count_ = 0;  // of those that are open
  size_t free_count_ = 0;
};

}  // namespace sluice
