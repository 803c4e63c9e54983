// The functions are replaced for the whole program and reach the kernel by syscall().
#include "tests/alloc/counted_calls.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdarg>

namespace sluice::counted_calls {

namespace {

thread_local bool counted_thread = false;
std::atomic<int64_t> recv_count{0}, send_count{0}, splice_count{0}, wait_count{0}, other_count{0};
std::atomic<int64_t> early_splice_count{0}, first_splice_bytes{0};
std::atomic<const char*> other{""};
std::atomic<bool> held{false}, stands{false};

void count(std::atomic<int64_t>& counter, const char* name = nullptr) {
  if (!counted_thread) return;
  ++counter;
  if (name != nullptr) other = name;
}

}  // namespace

void count_this_thread() {
  counted_thread = true;
}

Counts take() {
  return Counts{recv_count.exchange(0),         send_count.exchange(0),
                splice_count.exchange(0),       wait_count.exchange(0),
                other_count.exchange(0),        other.load(),
                early_splice_count.exchange(0), first_splice_bytes.exchange(0)};
}

void hold() {
  held = true;
}

void await_held() {
  stands.wait(false);
}

void release() {
  stands = held = false;
  held.notify_all();
}

}  // namespace sluice::counted_calls

using namespace sluice::counted_calls;  // NOLINT: the functions below are the C library's names

extern "C" {

ssize_t recv(int fd, void* buffer, size_t bytes, int flags) {
  count(recv_count);
  return ::syscall(SYS_recvfrom, fd, buffer, bytes, flags, nullptr, nullptr);
}

ssize_t send(int fd, const void* buffer, size_t bytes, int flags) {
  count(send_count);
  return ::syscall(SYS_sendto, fd, buffer, bytes, flags, nullptr, 0);
}

ssize_t splice(int from, off64_t*, int to, off64_t*, size_t bytes, unsigned flags) {
  count(splice_count);
  if (send_count == 0) count(early_splice_count);
  if (counted_thread && splice_count == 1) first_splice_bytes = static_cast<int64_t>(bytes);
  return ::syscall(SYS_splice, from, nullptr, to, nullptr, bytes, flags);
}

ssize_t recvmsg(int fd, msghdr* message, int flags) {
  count(other_count, "recvmsg");
  return ::syscall(SYS_recvmsg, fd, message, flags);
}

ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  count(other_count, "sendmsg");
  return ::syscall(SYS_sendmsg, fd, message, flags);
}

ssize_t read(int fd, void* buffer, size_t bytes) {
  count(other_count, "read");
  return ::syscall(SYS_read, fd, buffer, bytes);
}

ssize_t write(int fd, const void* buffer, size_t bytes) {
  count(other_count, "write");
  return ::syscall(SYS_write, fd, buffer, bytes);
}

int epoll_wait(int fd, epoll_event* events, int most, int timeout_ms) {
  count(wait_count);
  if (counted_thread && held) {
    stands = true;
    stands.notify_all();
    held.wait(true);
  }
  return static_cast<int>(::syscall(SYS_epoll_pwait, fd, events, most, timeout_ms, nullptr, 0));
}

int epoll_ctl(int fd, int operation, int target, epoll_event* event) noexcept {
  count(other_count, "epoll_ctl");
  return static_cast<int>(::syscall(SYS_epoll_ctl, fd, operation, target, event));
}

int setsockopt(int fd, int level, int name, const void* value, socklen_t length) noexcept {
  count(other_count, "setsockopt");
  return static_cast<int>(::syscall(SYS_setsockopt, fd, level, name, value, length));
}

int getsockopt(int fd, int level, int name, void* value, socklen_t* length) noexcept {
  count(other_count, "getsockopt");
  return static_cast<int>(::syscall(SYS_getsockopt, fd, level, name, value, length));
}

int ioctl(int fd, unsigned long request, ...) noexcept {
  count(other_count, "ioctl");
  va_list rest;
  va_start(rest, request);
  void* const argument = va_arg(rest, void*);
  va_end(rest);
  return static_cast<int>(::syscall(SYS_ioctl, fd, request, argument));
}

ssize_t getrandom(void* buffer, size_t bytes, unsigned flags) {
  count(other_count, "getrandom");
  return ::syscall(SYS_getrandom, buffer, bytes, flags);
}

int munmap(void* memory, size_t bytes) noexcept {
  count(other_count, "munmap");
  return static_cast<int>(::syscall(SYS_munmap, memory, bytes));
}

}  // extern "C"
