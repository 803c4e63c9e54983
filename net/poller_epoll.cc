// Poller over epoll.
#include <sys/epoll.h>

#include <cerrno>

#include "net/check.h"
#include "net/poller.h"
#include "net/sys.h"

namespace sluice {

namespace {

constexpr uint32_t stream_events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;

Readiness readiness_of(uint32_t events) {
  Readiness ready;
  ready.readable = (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  ready.writable = (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
  ready.ended = (events & EPOLLRDHUP) != 0;
  ready.hung_up = (events & EPOLLHUP) != 0;
  ready.failed = (events & EPOLLERR) != 0;
  ready.urgent = (events & EPOLLPRI) != 0;
  return ready;
}

Status control(int queue, int operation, int fd, uint32_t events, uint64_t cookie) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = cookie;
  if (::epoll_ctl(queue, operation, fd, &event) != 0) return Fault{"epoll_ctl", errno};
  return Done{};
}

}  // namespace

Poller::~Poller() {
  if (fd_ >= 0) sys::close(fd_);
}

Status Poller::open() {
  SLUICE_CHECK(fd_ < 0);
  fd_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (fd_ < 0) return Fault{"epoll_create1", errno};
  return Done{};
}

// Parent and child share one queue: EPOLL_CTL_DEL here would take from the parent.
void Poller::leave_to_parent() {
  if (fd_ >= 0) sys::close(fd_);
  fd_ = -1;
}

Status Poller::add(int fd, uint64_t cookie) {
  return control(fd_, EPOLL_CTL_ADD, fd, stream_events, cookie);
}

Status Poller::rename(int fd, uint64_t cookie) {
  Status renamed = control(fd_, EPOLL_CTL_MOD, fd, stream_events, cookie);
  if (!renamed.ok()) remove(fd);
  return renamed;
}

Status Poller::add_listener(int fd, uint64_t cookie, bool shared) {
  const uint32_t events = EPOLLIN | EPOLLET | (shared ? uint32_t{EPOLLEXCLUSIVE} : 0u);
  return control(fd_, EPOLL_CTL_ADD, fd, events, cookie);
}

void Poller::remove(int fd) {
  const Status removed = control(fd_, EPOLL_CTL_DEL, fd, 0, 0);
  SLUICE_CHECK(removed.ok());
}

size_t Poller::wait(std::span<PollEvent> events, int timeout_ms) {
  epoll_event ready[max_events];
  const size_t most = events.size() < max_events ? events.size() : max_events;
  const int count = ::epoll_wait(fd_, ready, static_cast<int>(most), timeout_ms);
  if (count < 0) {
    SLUICE_CHECK(errno == EINTR);
    return 0;
  }
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    events[i].cookie = ready[i].data.u64;
    events[i].ready = readiness_of(ready[i].events);
  }
  return static_cast<size_t>(count);
}

}  // namespace sluice
