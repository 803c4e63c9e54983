// sys: pipes and splice(2), where there is one.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "net/sys.h"

namespace sluice::sys {

int pipe(int ends[2], size_t bytes) {
  if (::pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) return -errno;
  // Beyond what one user's pipes may hold in all the kernel refuses: smaller ones serve as well.
  static_cast<void>(::fcntl(ends[1], F_SETPIPE_SZ, static_cast<int>(bytes)));
  return 0;
}

ssize_t splice(int from, int to, size_t bytes) {
  for (;;) {
    const ssize_t moved =
        ::splice(from, nullptr, to, nullptr, bytes, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    if (moved >= 0) return moved;
    if (errno != EINTR) return -errno;
  }
}

}  // namespace sluice::sys
