// Poller over kqueue. A descriptor has two filters, reading and writing, so what epoll tells in one
// event may come as two.
#include <fcntl.h>
#include <sys/event.h>

#include <cerrno>

#include "net/check.h"
#include "net/poller.h"
#include "net/sys.h"

namespace sluice {

namespace {

// The kernel keeps a cookie as a pointer that it never follows.
static_assert(sizeof(void*) == sizeof(uint64_t) && sizeof(uintptr_t) == sizeof(uint64_t));

// kevent() applies one change; its list of events is empty, so a failure is its answer.
Status change(int queue, int fd, int filter, unsigned flags, uint64_t cookie) {
  struct kevent wanted {};
  // The fields' types differ from one BSD to the next.
  EV_SET(&wanted, static_cast<uintptr_t>(fd), static_cast<decltype(wanted.filter)>(filter),
         static_cast<decltype(wanted.flags)>(flags), 0, 0,
         reinterpret_cast<void*>(static_cast<uintptr_t>(cookie)));
  if (::kevent(queue, &wanted, 1, nullptr, 0, nullptr) != 0) return Fault{"kevent", errno};
  return Done{};
}

// EV_EOF comes with data pending, so it is readable and ended at once. On the writing filter it
// says that our half takes nothing more, be it the peer's doing or our own FIN. Urgent data is not
// told: a read that it shortens passes for drained, and its sender waits until he sends more.
Readiness readiness_of(const struct kevent& event) {
  Readiness ready;
  const bool at_end = (event.flags & EV_EOF) != 0;
  if (event.filter == EVFILT_READ) {
    ready.readable = true;
    ready.ended = at_end;
  } else {
    ready.writable = true;
    ready.hung_up = at_end;
  }
  ready.failed = at_end && event.fflags != 0;  // the socket's error
  return ready;
}

timespec timespec_of(int timeout_ms) {
  timespec timeout{};
  timeout.tv_sec = timeout_ms / 1000;
  timeout.tv_nsec = timeout_ms % 1000 * 1'000'000L;
  return timeout;
}

}  // namespace

Poller::~Poller() {
  if (fd_ >= 0) sys::close(fd_);
}

Status Poller::open() {
  SLUICE_CHECK(fd_ < 0);
  fd_ = ::kqueue();
  if (fd_ < 0) return Fault{"kqueue", errno};
  // Not inherited by fork(), but by exec() on some systems.
  if (::fcntl(fd_, F_SETFD, FD_CLOEXEC) != 0) return Fault{"fcntl", errno};
  return Done{};
}

// kqueue(2): a child does not inherit it, so its descriptor is none there, or another's.
void Poller::leave_to_parent() {
  fd_ = -1;
}

Status Poller::add(int fd, uint64_t cookie) {
  const Status reading = change(fd_, fd, EVFILT_READ, EV_ADD | EV_CLEAR, cookie);
  if (!reading.ok()) return reading;
  const Status writing = change(fd_, fd, EVFILT_WRITE, EV_ADD | EV_CLEAR, cookie);
  if (!writing.ok()) remove(fd);
  return writing;
}

// A filter that is only changed tells nothing again.
Status Poller::rename(int fd, uint64_t cookie) {
  remove(fd);
  return add(fd, cookie);
}

// `shared` has no meaning here: a kqueue wakes every process that waits for the listener, and those
// that come late read EAGAIN.
Status Poller::add_listener(int fd, uint64_t cookie, [[maybe_unused]] bool shared) {
  return change(fd_, fd, EVFILT_READ, EV_ADD | EV_CLEAR, cookie);
}

void Poller::remove(int fd) {
  const Status reading = change(fd_, fd, EVFILT_READ, EV_DELETE, 0);
  SLUICE_CHECK(reading.ok());
  // Listeners have no writing filter.
  const Status writing = change(fd_, fd, EVFILT_WRITE, EV_DELETE, 0);
  SLUICE_CHECK(writing.ok() || writing.fault().error == ENOENT);
}

size_t Poller::wait(std::span<PollEvent> events, int timeout_ms) {
  struct kevent ready[max_events];
  const size_t most = events.size() < max_events ? events.size() : max_events;
  const timespec timeout = timespec_of(timeout_ms);
  const int count =
      ::kevent(fd_, nullptr, 0, ready, static_cast<int>(most), timeout_ms < 0 ? nullptr : &timeout);
  if (count < 0) {
    SLUICE_CHECK(errno == EINTR);
    return 0;
  }
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    events[i].cookie = static_cast<uint64_t>(reinterpret_cast<uintptr_t>(ready[i].udata));
    events[i].ready = readiness_of(ready[i]);
  }
  return static_cast<size_t>(count);
}

}  // namespace sluice
