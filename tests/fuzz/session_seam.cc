// What the linker puts in place of clock_gettime and setsockopt.
#include "tests/fuzz/session_seam.h"

#include <sys/socket.h>
#include <time.h>

namespace sluice::fuzz {

namespace {

SessionSeam* current = nullptr;

}  // namespace

SessionSeam::SessionSeam() {
  current = this;
}

SessionSeam::~SessionSeam() {
  current = nullptr;
}

}  // namespace sluice::fuzz

using sluice::fuzz::current;

extern "C" {

int __real_clock_gettime(clockid_t clock, timespec* now);
int __real_setsockopt(int fd, int level, int name, const void* value, socklen_t length);

int __wrap_clock_gettime(clockid_t clock, timespec* now) {
  if (current == nullptr || clock != CLOCK_MONOTONIC) return __real_clock_gettime(clock, now);
  now->tv_sec = static_cast<time_t>(current->now_ns() / 1'000'000'000);
  now->tv_nsec = static_cast<long>(current->now_ns() % 1'000'000'000);
  return 0;
}

int __wrap_setsockopt(int fd, int level, int name, const void* value, socklen_t length) {
  if (current != nullptr && level == SOL_SOCKET && name == SO_LINGER) current->note_abort(fd);
  return __real_setsockopt(fd, level, name, value, length);
}
}
