// OpenSSL's large blocks live as long as a TLS handshake or a record; what lasts is small. Here the
// large ones get a region of their own, so that many handshakes at once leave no holes among what
// idle sessions keep, and a record costs no search for memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice {

// Blocks of one size in one region of the address space. A few that were given back stay warm for
// the next; the system gets the pages of the others.
class LargeBlocks {
 public:
  static constexpr size_t block_bytes = 24 * 1024;  // a handshake's message buffer is 21,848
  static constexpr size_t least_bytes = 12 * 1024;  // an SSL object, which lasts, is 7,616
  static constexpr size_t flight_bytes = 4096;      // what gathers a flight of the handshake
  static constexpr uint32_t most_blocks = 4096;     // beyond them the heap serves, too
  static constexpr uint32_t most_warm = 16;

  LargeBlocks() = default;
  LargeBlocks(const LargeBlocks&) = delete;
  LargeBlocks& operator=(const LargeBlocks&) = delete;
  ~LargeBlocks();

  bool open();  // false where the system gives no address space

  // Whether OpenSSL asks for so many bytes only while a handshake or a record lasts.
  static bool serves(size_t bytes) {
    return bytes == flight_bytes || (bytes >= least_bytes && bytes <= block_bytes);
  }
  // Null where it does not serve `bytes`, or all blocks are taken: ask the heap.
  void* take(size_t bytes);
  // False for a pointer that is not of the region.
  bool give_back(void* block);
  bool owns(const void* pointer) const {
    return reinterpret_cast<uintptr_t>(pointer) - reinterpret_cast<uintptr_t>(region_) <
           region_bytes;
  }
  uint32_t taken() const { return used_ - free_count_; }

 private:
  static constexpr size_t region_bytes = size_t{most_blocks} * block_bytes;

  uint8_t* region_ = nullptr;
  uint32_t used_ = 0;        // blocks that were ever taken: the first ones
  uint32_t free_count_ = 0;  // of free_, a stack; the uppermost ones are warm
  uint32_t warm_ = 0;
  uint16_t free_[most_blocks];
};

// OpenSSL's memory comes from here from now on: before its first use, for the process, which must
// use it in one thread only. False where it is too late, or there is no address space; nothing
// changes then.
bool keep_large_blocks_apart();

}  // namespace sluice
