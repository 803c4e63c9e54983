// sys where the system has neither cgroups nor prctl.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "net/sys_platform.h"

extern "C" int getpeereid(int fd, uid_t* user, gid_t* group);  // unistd.h has it, but for Linux

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

int set_bind_address_no_port(int) {
  return -ENOSYS;
}

int peer_user(int fd, uid_t& user) {
  gid_t group = 0;
  return ::getpeereid(fd, &user, &group) == 0 ? 0 : -errno;
}

// A temporary file that is removed at once.
int memory_file(size_t bytes) {
  char path[] = "/tmp/sluice.XXXXXX";
  const int fd = ::mkstemp(path);
  if (fd < 0) return -errno;
  ::unlink(path);
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  if (::ftruncate(fd, static_cast<off_t>(bytes)) == 0) return fd;
  const int error = errno;
  ::close(fd);
  return -error;
}

int seal_memory_file(int) {
  return 0;  // there are no seals
}

int forbid_new_privileges() {
  return 0;  // there is no such switch
}

int forbid_dumps() {
  const rlimit none{0, 0};
  return ::setrlimit(RLIMIT_CORE, &none) == 0 ? 0 : -errno;
}

int forbid_gaining_capabilities() {
  return 0;  // there are none
}

int drop_capabilities() {
  return 0;
}

bool can_forbid_files() {
  return false;
}

int forbid_files() {
  return -ENOSYS;
}

int unreserved_memory_flag() {
  return 0;
}

}  // namespace sluice::sys
