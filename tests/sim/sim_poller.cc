// Poller over the simulated kernel, linked in place of poller_epoll.cc.
#include <cerrno>

#include "net/check.h"
#include "net/poller.h"
#include "net/sys.h"
#include "tests/sim/kernel.h"

namespace sluice {

Poller::~Poller() {
  if (fd_ >= 0) sys::close(fd_);
}

Status Poller::open() {
  SLUICE_CHECK(fd_ < 0);
  fd_ = sim::kernel().new_poller();
  if (fd_ < 0) return Fault{"epoll_create1", -fd_};
  return Done{};
}

void Poller::leave_to_parent() {
  SLUICE_CHECK(false);  // nobody forks
}

Status Poller::add(int fd, uint64_t cookie) {
  if (sim::kernel().take_watch_fault()) return Fault{"epoll_ctl", ENOSPC};
  sim::kernel().watch(fd, cookie);
  return Done{};
}

Status Poller::rename(int fd, uint64_t cookie) {
  remove(fd);
  return add(fd, cookie);
}

// At the worker's start, which is not what is tried here.
Status Poller::add_listener(int fd, uint64_t cookie, bool) {
  sim::kernel().watch(fd, cookie);
  return Done{};
}

void Poller::remove(int fd) {
  SLUICE_CHECK(sim::kernel().unwatch(fd));
}

size_t Poller::wait(std::span<PollEvent> events, int timeout_ms) {
  return sim::kernel().wait(events, timeout_ms);
}

}  // namespace sluice
