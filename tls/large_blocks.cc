// A stack of free blocks, and the three functions that OpenSSL calls.
#include "tls/large_blocks.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "net/check.h"
#include "net/sys.h"

namespace sluice {

LargeBlocks::~LargeBlocks() {
  if (region_ != nullptr) sys::unmap_memory(region_, region_bytes);
}

bool LargeBlocks::open() {
  region_ = static_cast<uint8_t*>(sys::map_memory(region_bytes));
  return region_ != nullptr;
}

void* LargeBlocks::take(size_t bytes) {
  if (!serves(bytes) || region_ == nullptr) return nullptr;
  if (free_count_ > 0) {
    if (warm_ > 0) --warm_;
    return region_ + free_[--free_count_] * block_bytes;
  }
  return used_ < most_blocks ? region_ + used_++ * block_bytes : nullptr;
}

bool LargeBlocks::give_back(void* block) {
  if (!owns(block)) return false;
  const auto offset = static_cast<size_t>(static_cast<uint8_t*>(block) - region_);
  SLUICE_CHECK(offset % block_bytes == 0 && free_count_ < used_);
  const auto number = static_cast<uint16_t>(offset / block_bytes);
  if (warm_ < most_warm) {
    ++warm_;
    free_[free_count_++] = number;
    return true;
  }
  // It goes under the warm blocks; the lowest of them makes room.
  sys::drop_memory(block, block_bytes);
  const uint32_t lowest_warm = free_count_ - warm_;
  free_[free_count_++] = free_[lowest_warm];
  free_[lowest_warm] = number;
  return true;
}

namespace {

LargeBlocks large_blocks;

void* allocate(size_t bytes, const char*, int) {
  if (bytes == 0) return nullptr;
  void* const block = large_blocks.take(bytes);
  return block != nullptr ? block : std::malloc(bytes);
}

void release(void* pointer, const char*, int) {
  if (!large_blocks.give_back(pointer)) std::free(pointer);
}

void* reallocate(void* pointer, size_t bytes, const char* file, int line) {
  if (pointer == nullptr) return allocate(bytes, file, line);
  if (bytes == 0) {
    release(pointer, file, line);
    return nullptr;
  }
  if (!large_blocks.owns(pointer)) return std::realloc(pointer, bytes);
  if (LargeBlocks::serves(bytes)) return pointer;
  void* const other = std::malloc(bytes);
  if (other == nullptr) return nullptr;
  std::memcpy(other, pointer, std::min(bytes, LargeBlocks::block_bytes));
  large_blocks.give_back(pointer);
  return other;
}

}  // namespace

bool keep_large_blocks_apart() {
  return large_blocks.open() && CRYPTO_set_mem_functions(allocate, reallocate, release) == 1;
}

}  // namespace sluice
