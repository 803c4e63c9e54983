// A handle carries a place in watched_ and who has it: listeners come and go with the conf.
#include "net/listener.h"

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "net/check.h"
#include "net/connector.h"
#include "net/sys_platform.h"

namespace sluice {

namespace {

// True where accept() failed for one connection alone and the next may do.
bool transient(int error) {
  switch (error) {
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case EPERM:
      return true;
    default:
      return false;
  }
}

// Connects as a client would: 0, or the errno that it gets. A socket file whose listener is gone
// refuses; EAGAIN (full backlog) and EPROTOTYPE (another kind of socket) come from living ones, and
// after EACCES nobody knows.
int unix_connect_error(const Address& address) {
  Result<int> fd = start_connect(address);
  if (!fd.ok()) return fd.fault().error;
  sys::close(fd.value());
  return 0;
}

int bind_prepared(int fd, const Address& address, bool reuse_port) {
  if (address.is_unix()) {
    if (unix_connect_error(address) == ECONNREFUSED) {
      sys::remove_socket_file(address.unix_path().c_str());
    }
    return sys::bind(fd, address);
  }
  sys::set_reuse_address(fd);
  if (reuse_port) sys::set_reuse_port(fd);
  if (address.family() == AF_INET6) sys::set_v6_only(fd);
  return sys::bind(fd, address);
}

}  // namespace

Result<int> open_listener(const Address& address, bool reuse_port,
                          const sys::SocketFileAccess& access, uint32_t backlog) {
  const int fd = sys::stream_socket(address.family());
  if (fd < 0) return Fault{"socket", -fd};
  if (const int bound = bind_prepared(fd, address, reuse_port); bound < 0) {
    sys::close(fd);
    return Fault{"bind", -bound};
  }
  if (address.is_unix()) {
    const std::string path = address.unix_path();
    if (const int set = sys::set_socket_file_access(path.c_str(), access); set < 0) {
      sys::close(fd);
      sys::remove_socket_file(path.c_str());
      return Fault{"mode, owner or group", -set};
    }
  }
  if (const int listening = sys::listen(fd, static_cast<int>(backlog)); listening < 0) {
    sys::close(fd);
    return Fault{"listen", -listening};
  }
  return fd;
}

Status probe_address(const Address& address) {
  if (address.is_unix()) {
    const int error = unix_connect_error(address);
    if (error == 0 || error == EAGAIN || error == EPROTOTYPE) return Fault{"bind", EADDRINUSE};
    return Done{};
  }
  // Bound, never listening: a client that came in between would be queued here and then reset.
  const int fd = sys::stream_socket(address.family());
  if (fd < 0) return Fault{"socket", -fd};
  const int bound = bind_prepared(fd, address, false);
  sys::close(fd);
  if (bound < 0) return Fault{"bind", -bound};
  return Done{};
}

Acceptor::Acceptor(Reactor& reactor, AcceptSink& sink)
    : reactor_(reactor), sink_(sink), id_(reactor.attach(*this)) {}

Status Acceptor::add(int fd, uint32_t listener, bool shared, const AcceptLimit& limit) {
  SLUICE_CHECK(!stopped_ && fd >= 0);
  const auto free = std::find_if(watched_.begin(), watched_.end(),
                                 [](const Watched& each) { return each.fd < 0; });
  Watched& place = free != watched_.end() ? *free : watched_.emplace_back();
  const Status watched =
      reactor_.watch_listener(fd, id_, {handle_of(place).index, place.generation}, shared);
  if (!watched.ok()) return watched;
  place = Watched{.fd = fd, .listener = listener, .generation = place.generation, .limit = limit};
  return Done{};
}

void Acceptor::set_limit(int fd, const AcceptLimit& limit) {
  Watched& watched = watched_of(fd);
  if (watched.limit == limit) return;
  watched.limit = limit;
  if (watched.timer == 0) return;
  reactor_.cancel(std::exchange(watched.timer, 0));
  watched.put_off = false;
  const Handle handle = handle_of(watched);
  put_off(handle, [&] { reactor_.enqueue(id_, handle); });
}

void Acceptor::remove(int fd) {
  take_out(fd);
}

void Acceptor::drain_and_remove(int fd) {
  drain(take_out(fd));
}

void Acceptor::stop() {
  if (stopped_) return;
  stopped_ = true;
  for (const Watched& watched : watched_) {
    if (watched.fd >= 0) reactor_.unwatch(watched.fd);
  }
}

void Acceptor::drain_and_stop() {
  if (stopped_) return;
  stop();
  for (const Watched& watched : watched_) {
    if (watched.fd >= 0) drain(watched);
  }
}

Acceptor::Watched& Acceptor::watched_of(int fd) {
  const auto found = std::find_if(watched_.begin(), watched_.end(),
                                  [fd](const Watched& each) { return each.fd == fd; });
  SLUICE_CHECK(fd >= 0 && found != watched_.end());
  return *found;
}

// Leaves the place free. Its runs and timers that are to come find another generation.
Acceptor::Watched Acceptor::take_out(int fd) {
  Watched& watched = watched_of(fd);
  if (!stopped_) reactor_.unwatch(fd);
  reactor_.cancel(std::exchange(watched.timer, 0));
  Watched taken = watched;
  watched.fd = -1;
  ++watched.generation;
  return taken;
}

int Acceptor::accept_one(const Watched& watched, bool refused) {
  Address client;
  const int fd = sys::accept(watched.fd, client);
  if (fd < 0) return fd;
  if (refused) {
    sink_.on_refuse(fd, client, watched.listener);
  } else {
    sink_.on_accept(fd, client, watched.listener);
  }
  return 0;
}

void Acceptor::drain(const Watched& watched) {
  const AcceptLimit& limit = watched.limit;
  for (int accepted = 0; accepted == 0 || transient(-accepted);) {
    const bool taken =
        limit.rate != nullptr && limit.rate->take(limit.limit, sys::monotonic_ns()) == 0;
    accepted = accept_one(watched, limit.rate != nullptr && !taken);
    if (accepted < 0 && taken) limit.rate->give_back(limit.limit);
  }
}

Acceptor::Watched* Acceptor::find(Handle handle) {
  Watched& watched = watched_[handle.index];
  return watched.fd >= 0 && watched.generation == handle.generation ? &watched : nullptr;
}

Handle Acceptor::handle_of(const Watched& watched) const {
  return Handle{static_cast<uint32_t>(&watched - watched_.data()), watched.generation};
}

void Acceptor::on_ready(Handle handle, unsigned, Readiness) {
  const Watched* const watched = find(handle);
  if (watched != nullptr && !watched->put_off) accept_some(handle);
}

void Acceptor::on_timer(Handle handle, unsigned) {
  on_run(handle);
}

void Acceptor::on_run(Handle handle) {
  Watched* const watched = find(handle);
  if (watched == nullptr) return;
  watched->put_off = false;
  watched->timer = 0;
  accept_some(handle);
}

// If scheduling fails for lack of memory, accepting resumes at the next connection's edge.
template <class Later>
void Acceptor::put_off(Handle handle, Later later) {
  try {
    later();
    watched_[handle.index].put_off = true;
  } catch (const std::bad_alloc&) {
    ++pauses_;
    pause_error_ = ENOMEM;
  }
}

// The edge is consumed by the first call, so whatever ends the loop but EAGAIN comes back here: by
// the run queue, or by a timer while there are no descriptors or the limit is reached. The sink may
// stop the acceptor.
void Acceptor::accept_some(Handle handle) {
  if (stopped_) return;
  const Watched watched = watched_[handle.index];
  const AcceptLimit& limit = watched.limit;
  for (int i = 0; i < accepts_a_turn; ++i) {
    if (limit.rate != nullptr) {
      const uint64_t now_ns = sys::monotonic_ns();
      const uint64_t wait_ns = limit.rate->take(limit.limit, now_ns);
      if (wait_ns > 0) return hold_back(handle, now_ns + wait_ns);
    }
    const int accepted = accept_one(watched, false);
    if (accepted == 0) {
      if (stopped_) return;
      continue;
    }
    if (limit.rate != nullptr) limit.rate->give_back(limit.limit);
    // The listener was ready and nobody is there: a sibling was faster, or the unix socket was shut
    // down, which Linux tells in no other way.
    const bool lost =
        accepted == -EINVAL || (accepted == -EAGAIN && i == 0 && !sys::still_listens(watched.fd));
    if (lost) {
      stop();
      return sink_.on_listener_lost(watched.listener);
    }
    if (accepted == -EAGAIN) {
      watched_[handle.index].holds_back = false;
      return;
    }
    if (!transient(-accepted)) return pause(handle, -accepted);
  }
  put_off(handle, [&] { reactor_.enqueue(id_, handle); });
}

void Acceptor::pause(Handle handle, int error) {
  ++pauses_;
  pause_error_ = error;
  put_off(handle, [&] { reactor_.arm(reactor_.now_ms() + pause_ms, id_, handle, 0); });
}

// By its limit none may be accepted before `due_ns`.
void Acceptor::hold_back(Handle handle, uint64_t due_ns) {
  Watched& watched = watched_[handle.index];
  const uint64_t now_ms = reactor_.now_ms();
  if (!watched.holds_back) {
    if (!sys::connection_waits(watched.fd)) return;  // the next one's edge will tell
    watched.holds_back = true;
    watched.held_since_ms = now_ms;
    sink_.on_hold_back(watched.listener);
  }
  uint64_t look_ms = watched.held_since_ms + watched.limit.queue_time_ms;
  if (look_ms <= now_ms) {
    if (!refuse_some(handle)) return;
    look_ms = now_ms + refuse_every_ms;
  }
  const uint64_t due_ms = (due_ns + 999'999) / 1'000'000;
  put_off(handle, [&] {
    watched_[handle.index].timer = reactor_.arm(std::min(look_ms, due_ms), id_, handle, 0);
  });
}

// False where nothing is left to be done for now: nobody waits any more, or a pause has begun.
bool Acceptor::refuse_some(Handle handle) {
  const Watched watched = watched_[handle.index];
  for (int i = 0; i < refusals_at_once; ++i) {
    const int refused = accept_one(watched, true);
    if (stopped_) return false;
    if (refused == -EAGAIN) {
      watched_[handle.index].holds_back = false;
      return false;
    }
    if (refused < 0 && !transient(-refused)) {
      pause(handle, -refused);
      return false;
    }
  }
  return true;
}

}  // namespace sluice
