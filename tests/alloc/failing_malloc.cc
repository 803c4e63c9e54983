// The functions of the C library are replaced for the whole program, its libraries included; the
// real ones are reached by their other names (glibc), mmap by its system call.
#include "tests/alloc/failing_malloc.h"

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
std::atomic<int64_t> blocks{0};
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

void* note_block(void* memory) {
  if (counted_thread && memory != nullptr) blocks.fetch_add(1, std::memory_order_relaxed);
  return memory;
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

}  // namespace sluice::failing_malloc

extern "C" {

using sluice::failing_malloc::must_fail;
using sluice::failing_malloc::note_block;

void* malloc(size_t bytes) {
  return must_fail() ? nullptr : note_block(__libc_malloc(bytes));
}

void* calloc(size_t count, size_t bytes) {
  return must_fail() ? nullptr : note_block(__libc_calloc(count, bytes));
}

void* realloc(void* memory, size_t bytes) {
  if (must_fail()) return nullptr;
  void* moved = __libc_realloc(memory, bytes);
  return memory == nullptr ? note_block(moved) : moved;
}

void* aligned_alloc(size_t alignment, size_t bytes) {
  return must_fail() ? nullptr : note_block(__libc_memalign(alignment, bytes));
}

void free(void* memory) {
  using namespace sluice::failing_malloc;
  if (counted_thread && memory != nullptr) blocks.fetch_sub(1, std::memory_order_relaxed);
  __libc_free(memory);
}

void* mmap(void* address, size_t bytes, int protection, int flags, int fd, off_t offset) {
  if (must_fail()) return MAP_FAILED;
  const long mapped = ::syscall(SYS_mmap, address, bytes, protection, flags, fd, offset);
  return reinterpret_cast<void*>(mapped);
}

}  // extern "C"
