// The functions of the C library are replaced for the whole program, its libraries included; the
// real ones are reached by their other names (glibc), mmap by its system call.
#include "tests/alloc/failing_malloc.h"

#include <malloc.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>

extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* memory, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void* memory);
}

namespace sluice::failing_malloc {

namespace {

thread_local bool counted_thread = false;
std::atomic<int64_t> countdown{0};
std::atomic<int64_t> count{0};
std::atomic<int64_t> blocks{0}, block_bytes{0};
std::atomic<int64_t> map_bytes{0};
std::atomic<bool> came{false};

bool must_fail() {
  if (!counted_thread) return false;
  count.fetch_add(1, std::memory_order_relaxed);
  if (countdown.load(std::memory_order_relaxed) == 0) return false;
  if (countdown.fetch_sub(1, std::memory_order_relaxed) != 1) return false;
  came = true;
  errno = ENOMEM;
  return true;
}

// With the size that glibc keeps before it.
int64_t bytes_of(void* memory) {
  return static_cast<int64_t>(::malloc_usable_size(memory) + sizeof(size_t));
}

void* note_block(void* memory) {
  if (!counted_thread || memory == nullptr) return memory;
  blocks.fetch_add(1, std::memory_order_relaxed);
  block_bytes.fetch_add(bytes_of(memory), std::memory_order_relaxed);
  return memory;
}

void forget_block(void* memory) {
  if (!counted_thread || memory == nullptr) return;
  blocks.fetch_sub(1, std::memory_order_relaxed);
  block_bytes.fetch_sub(bytes_of(memory), std::memory_order_relaxed);
}

}  // namespace

void count_this_thread() {
  counted_thread = true;
}

void arm(int64_t n) {
  came = false;
  countdown = n;
}

bool happened() {
  return came;
}

int64_t counted() {
  return count;
}

int64_t held() {
  return blocks;
}

int64_t held_bytes() {
  return block_bytes;
}

int64_t mapped_bytes() {
  return map_bytes;
}

}  // namespace sluice::failing_malloc

extern "C" {

using namespace sluice::failing_malloc;  // NOLINT: the functions below are the C library's names

void* malloc(size_t bytes) {
  return must_fail() ? nullptr : note_block(__libc_malloc(bytes));
}

void* calloc(size_t elements, size_t bytes) {
  return must_fail() ? nullptr : note_block(__libc_calloc(elements, bytes));
}

void* realloc(void* memory, size_t bytes) {
  if (must_fail()) return nullptr;
  const int64_t before = memory == nullptr ? 0 : bytes_of(memory);
  void* moved = __libc_realloc(memory, bytes);
  if (memory == nullptr) return note_block(moved);
  if (counted_thread && moved != nullptr) block_bytes += bytes_of(moved) - before;
  return moved;
}

void* aligned_alloc(size_t alignment, size_t bytes) {
  return must_fail() ? nullptr : note_block(__libc_memalign(alignment, bytes));
}

void free(void* memory) {
  forget_block(memory);
  __libc_free(memory);
}

void* mmap(void* address, size_t bytes, int protection, int flags, int fd, off_t offset) {
  if (must_fail()) return MAP_FAILED;
  if (counted_thread) map_bytes += static_cast<int64_t>(bytes);
  const long mapped = ::syscall(SYS_mmap, address, bytes, protection, flags, fd, offset);
  return reinterpret_cast<void*>(mapped);
}

}  // extern "C"
