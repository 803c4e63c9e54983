// sys where the system has neither cgroups nor prctl.
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "net/sys_platform.h"

namespace sluice::sys {

namespace {

constexpr int most_looked_at = 65'536;

}  // namespace

uint32_t processor_count() {
  const long count = ::sysconf(_SC_NPROCESSORS_ONLN);
  return count > 0 ? static_cast<uint32_t>(count) : 1;
}

double processor_quota(const std::string&) {
  return 0;
}

uint64_t memory_limit(const std::string&) {
  return 0;
}

void close_descriptors(int first, std::span<const int> spared) {
  for (int fd = first; fd < most_looked_at; ++fd) {
    if (std::find(spared.begin(), spared.end(), fd) == spared.end()) ::close(fd);
  }
}

bool still_listens(int listener) {
  int accepting = 0;
  socklen_t length = sizeof accepting;
  return ::getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN, &accepting, &length) == 0 &&
         accepting != 0;
}

int forbid_new_privileges() {
  return 0;  // there is no such switch
}

int forbid_dumps() {
  const rlimit none{0, 0};
  return ::setrlimit(RLIMIT_CORE, &none) == 0 ? 0 : -errno;
}

}  // namespace sluice::sys
