// sys over Linux and BSD sockets.
#include "net/sys.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "net/check.h"
#include "net/sys_retry.h"

namespace sluice::sys {

namespace {

constexpr size_t max_passed_descriptors = 64;

int set_option(int fd, int level, int name, int value) {
  return retry([&] { return ::setsockopt(fd, level, name, &value, sizeof value); });
}

}  // namespace

ssize_t recv(int fd, void* buffer, size_t bytes) {
  return retry([&] { return ::recv(fd, buffer, bytes, 0); });
}

ssize_t send(int fd, const void* buffer, size_t bytes) {
  return retry([&] { return ::send(fd, buffer, bytes, MSG_NOSIGNAL); });
}

ssize_t recv_pieces(int fd, std::span<const iovec> pieces) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());
  message.msg_iovlen = pieces.size();
  return retry([&] { return ::recvmsg(fd, &message, 0); });
}

ssize_t send_pieces(int fd, std::span<const iovec> pieces) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());
  message.msg_iovlen = pieces.size();
  return retry([&] { return ::sendmsg(fd, &message, MSG_NOSIGNAL); });
}

ssize_t recv_from(int fd, void* buffer, size_t bytes, Address& from) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  const ssize_t got = retry([&] {
    length = sizeof storage;
    return ::recvfrom(fd, buffer, bytes, 0, reinterpret_cast<sockaddr*>(&storage), &length);
  });
  if (got >= 0) from = Address::from_sockaddr(reinterpret_cast<sockaddr*>(&storage), length);
  return got;
}

ssize_t peek(int fd, void* buffer, size_t bytes) {
  return retry([&] { return ::recv(fd, buffer, bytes, MSG_PEEK); });
}

int stream_socket(int family) {
  return retry([&] { return ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); });
}

int datagram_socket(int family) {
  return retry([&] { return ::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); });
}

int accept(int listener, Address& peer) {
  sockaddr_storage storage;
  socklen_t length = sizeof storage;
  const int fd = retry([&] {
    length = sizeof storage;
    return ::accept4(listener, reinterpret_cast<sockaddr*>(&storage), &length,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
  });
  if (fd >= 0) peer = Address::from_sockaddr(reinterpret_cast<sockaddr*>(&storage), length);
  return fd;
}

bool connection_waits(int listener) {
  pollfd question{listener, POLLIN, 0};
  return retry([&] { return ::poll(&question, 1, 0); }) == 1;
}

int bind(int fd, const Address& address) {
  return retry([&] { return ::bind(fd, address.raw(), address.raw_length()); });
}

int listen(int fd, int backlog) {
  return retry([&] { return ::listen(fd, backlog); });
}

int connect(int fd, const Address& address) {
  return ::connect(fd, address.raw(), address.raw_length()) == 0 ? 0 : -errno;
}

int shutdown_write(int fd) {
  return retry([&] { return ::shutdown(fd, SHUT_WR); });
}

int set_socket_file_access(const char* path, const SocketFileAccess& access) {
  const bool given =
      access.owner != static_cast<uid_t>(-1) || access.group != static_cast<gid_t>(-1);
  if (given && ::lchown(path, access.owner, access.group) != 0) return -errno;
  return ::chmod(path, access.mode) == 0 ? 0 : -errno;
}

// connect() to a plain file is refused like one to a dead listener's socket, so look before.
int remove_socket_file(const char* path) {
  struct stat what {};
  if (::lstat(path, &what) != 0) return -errno;
  if (!S_ISSOCK(what.st_mode)) return -ENOTSOCK;
  return ::unlink(path) == 0 ? 0 : -errno;
}

// The descriptor is gone even after EINTR (Linux), so this one is never retried.
int close(int fd) {
  return ::close(fd) == 0 ? 0 : -errno;
}

int take_socket_error(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
  return error;
}

int set_no_delay(int fd) {
  return set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}
int set_unsent_low_water(int fd, int bytes) {
  return set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, bytes);
}
int set_receive_buffer(int fd, int bytes) {
  return set_option(fd, SOL_SOCKET, SO_RCVBUF, bytes);
}
int set_keep_alive(int fd, uint32_t silence_s) {
  constexpr uint32_t most_s = 32'767;  // the kernel's own bound
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, static_cast<int>(std::clamp(silence_s, 1u, most_s)));
  return set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}
int set_reuse_address(int fd) {
  return set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
}
int set_reuse_port(int fd) {
  return set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
}
int set_v6_only(int fd) {
  return set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
}

int set_abort_on_close(int fd) {
  const linger now{1, 0};
  return retry([&] { return ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now); });
}

Address local_address(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return Address();
  return Address::from_sockaddr(reinterpret_cast<sockaddr*>(&storage), length);
}

int pair(int fds[2]) {
  return retry(
      [&] { return ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds); });
}

int unread_bytes(int fd) {
  int bytes = 0;
  return ::ioctl(fd, FIONREAD, &bytes) == 0 ? bytes : -errno;
}

// Linux's SIOCOUTQ by its other name, which is there on other systems, too; they know it for
// terminals only and return an error.
int undelivered_bytes(int fd) {
  int bytes = 0;
  return ::ioctl(fd, TIOCOUTQ, &bytes) == 0 ? bytes : -errno;
}

ssize_t send_with_descriptors(int fd, std::span<const uint8_t> bytes, std::span<const int> fds) {
  SLUICE_CHECK(fds.size() <= max_passed_descriptors);
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * max_passed_descriptors)] = {};
  iovec piece{const_cast<uint8_t*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  return retry([&] { return ::sendmsg(fd, &message, MSG_NOSIGNAL); });
}

ssize_t recv_with_descriptors(int fd, std::span<uint8_t> bytes, int* fds, size_t fd_limit,
                              size_t& fd_count) {
  SLUICE_CHECK(fd_limit <= max_passed_descriptors);
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * max_passed_descriptors)] = {};
  iovec piece{bytes.data(), bytes.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  // CMSG_SPACE rounds up: for an odd limit one more descriptor would fit.
  message.msg_controllen = CMSG_LEN(sizeof(int) * fd_limit);
  fd_count = 0;
  const ssize_t received = retry([&] { return ::recvmsg(fd, &message, MSG_CMSG_CLOEXEC); });
  if (received < 0) return received;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    std::memcpy(fds + fd_count, CMSG_DATA(header), count * sizeof(int));
    fd_count += count;
  }
  return received;
}

void* map_memory(size_t bytes) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

void unmap_memory(void* memory, size_t bytes) {
  ::munmap(memory, bytes);
}

void drop_memory(void* memory, size_t bytes) {
  ::madvise(memory, bytes, MADV_DONTNEED);
}

uint64_t monotonic_ns() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

uint64_t wall_clock_ms() {
  timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000u +
         static_cast<uint64_t>(now.tv_nsec) / 1'000'000u;
}

void random_bytes(void* buffer, size_t bytes) {
  auto* out = static_cast<char*>(buffer);
  while (bytes > 0) {
    const ssize_t got = retry([&] { return ::getrandom(out, bytes, 0); });
    SLUICE_CHECK(got > 0);
    out += got;
    bytes -= static_cast<size_t>(got);
  }
}

}  // namespace sluice::sys
