// kqueue() and kevent() over epoll, for the tests of net/poller_kqueue.cc: EV_CLEAR filters for
// reading and writing on sockets, one thread. Where kqueue would report a filter only, this may
// report the other one with it, which edge-triggered readers must stand anyway.
#include <sys/epoll.h>
#include <sys/event.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <map>
#include <vector>

namespace {

struct Filter {
  bool on = false;
  void* cookie = nullptr;
};

struct Watched {
  Filter read;
  Filter write;
};

struct Queue {
  std::map<int, Watched> watched;
  std::deque<struct kevent> pending;  // reported by epoll, not yet fetched
};

std::map<int, Queue>& queues() {
  static std::map<int, Queue> all;
  return all;
}

int fail(int error) {
  errno = error;
  return -1;
}

Filter& filter_of(Watched& watched, short filter) {
  return filter == EVFILT_READ ? watched.read : watched.write;
}

// One epoll registration for both filters. EPOLL_CTL_MOD reports the state anew, as EV_ADD does.
int register_with_epoll(int queue, int fd, int operation, const Watched& watched) {
  epoll_event event{};
  event.events = EPOLLET;
  if (watched.read.on) event.events |= EPOLLIN | EPOLLRDHUP;
  if (watched.write.on) event.events |= EPOLLOUT;
  event.data.fd = fd;
  return ::epoll_ctl(queue, operation, fd, &event);
}

int add(int queue, int fd, const struct kevent& change) {
  Queue& state = queues()[queue];
  const auto known = state.watched.find(fd);
  const bool fresh = known == state.watched.end();
  Watched wanted = fresh ? Watched() : known->second;
  filter_of(wanted, change.filter) = Filter{true, change.udata};
  if (register_with_epoll(queue, fd, fresh ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, wanted) != 0) return -1;
  state.watched[fd] = wanted;
  return 0;
}

int remove(int queue, int fd, short filter) {
  Queue& state = queues()[queue];
  const auto known = state.watched.find(fd);
  if (known == state.watched.end() || !filter_of(known->second, filter).on) return fail(ENOENT);
  filter_of(known->second, filter) = Filter();
  std::erase_if(state.pending, [&](const struct kevent& event) {
    return event.ident == static_cast<uintptr_t>(fd) && event.filter == filter;
  });
  const bool last = !known->second.read.on && !known->second.write.on;
  const int operation = last ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
  if (register_with_epoll(queue, fd, operation, known->second) != 0) return -1;
  if (last) state.watched.erase(known);
  return 0;
}

int apply(int queue, const struct kevent& change) {
  const int fd = static_cast<int>(change.ident);
  if (change.filter != EVFILT_READ && change.filter != EVFILT_WRITE) return fail(EINVAL);
  if (change.flags == EV_DELETE) return remove(queue, fd, change.filter);
  if (change.flags == (EV_ADD | EV_CLEAR)) return add(queue, fd, change);
  return fail(EINVAL);  // more is not emulated
}

struct kevent event_for(int fd, short filter, uint32_t seen) {
  struct kevent event {};
  event.ident = static_cast<uintptr_t>(fd);
  event.filter = filter;
  event.flags = EV_CLEAR;
  const uint32_t ends = EPOLLHUP | EPOLLERR | (filter == EVFILT_READ ? EPOLLRDHUP : 0u);
  if ((seen & ends) != 0) event.flags |= EV_EOF;
  // kqueue gives SO_ERROR without taking it; asking Linux for it would take it from the program.
  if ((seen & EPOLLERR) != 0) event.fflags = EIO;
  int bytes = 0;
  if (filter == EVFILT_READ && ::ioctl(fd, FIONREAD, &bytes) == 0) event.data = bytes;
  return event;
}

void split(Queue& state, const epoll_event& seen) {
  const int fd = seen.data.fd;
  const Watched& watched = state.watched.at(fd);
  const uint32_t ends = EPOLLHUP | EPOLLERR;
  if (watched.read.on && (seen.events & (EPOLLIN | EPOLLRDHUP | ends)) != 0) {
    state.pending.push_back(event_for(fd, EVFILT_READ, seen.events));
    state.pending.back().udata = watched.read.cookie;
  }
  if (watched.write.on && (seen.events & (EPOLLOUT | ends)) != 0) {
    state.pending.push_back(event_for(fd, EVFILT_WRITE, seen.events));
    state.pending.back().udata = watched.write.cookie;
  }
}

int fetch(int queue, struct kevent* events, int event_count, const timespec* timeout) {
  Queue& state = queues()[queue];
  if (state.pending.empty()) {
    std::vector<epoll_event> seen(static_cast<size_t>(event_count));
    const int wait_ms =
        timeout ? static_cast<int>(timeout->tv_sec * 1000 + timeout->tv_nsec / 1'000'000) : -1;
    const int count = ::epoll_wait(queue, seen.data(), event_count, wait_ms);
    if (count < 0) return -1;
    for (int i = 0; i < count; ++i) split(state, seen[static_cast<size_t>(i)]);
  }
  const auto count = std::min(static_cast<size_t>(event_count), state.pending.size());
  std::copy_n(state.pending.begin(), count, events);
  state.pending.erase(state.pending.begin(),
                      state.pending.begin() + static_cast<std::ptrdiff_t>(count));
  return static_cast<int>(count);
}

}  // namespace

int kqueue() {
  const int queue = ::epoll_create1(0);
  if (queue >= 0) queues()[queue] = Queue();  // an earlier one of that number was closed
  return queue;
}

int kevent(int queue, const struct kevent* changes, int change_count, struct kevent* events,
           int event_count, const timespec* timeout) {
  if (queues().count(queue) == 0) return fail(EBADF);
  for (int i = 0; i < change_count; ++i) {
    if (apply(queue, changes[i]) != 0) return -1;
  }
  return event_count > 0 ? fetch(queue, events, event_count, timeout) : 0;
}

// net/sys_platform_none.cc is linked here, too.
extern "C" int getpeereid(int fd, uid_t* user, gid_t* group);
int getpeereid(int fd, uid_t* user, gid_t* group) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return -1;
  *user = peer.uid;
  *group = peer.gid;
  return 0;
}
