// A listener's handle carries its index in watched_; the generation is always 1, for listeners live
// as long as their worker.
#include "net/listener.h"

#include <cerrno>
#include <new>

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

Status Acceptor::add(int fd, uint32_t listener, bool shared) {
  const auto index = static_cast<uint32_t>(watched_.size());
  watched_.push_back(Watched{fd, listener});
  return reactor_.watch_listener(fd, id_, Handle{index, 1}, shared);
}

void Acceptor::stop() {
  if (stopped_) return;
  stopped_ = true;
  for (const Watched& watched : watched_) reactor_.unwatch(watched.fd);
}

void Acceptor::drain_and_stop() {
  if (stopped_) return;
  stop();
  for (const Watched& watched : watched_) {
    for (;;) {
      Address client;
      const int fd = sys::accept(watched.fd, client);
      if (fd >= 0) {
        sink_.on_accept(fd, client, watched.listener);
      } else if (!transient(-fd)) {
        break;
      }
    }
  }
}

void Acceptor::on_ready(Handle handle, unsigned, Readiness) {
  if (!watched_[handle.index].put_off) accept_some(handle.index);
}
void Acceptor::on_timer(Handle handle, unsigned) {
  watched_[handle.index].put_off = false;
  accept_some(handle.index);
}
void Acceptor::on_run(Handle handle) {
  watched_[handle.index].put_off = false;
  accept_some(handle.index);
}

// If scheduling fails for lack of memory, accepting resumes at the next connection's edge.
template <class Later>
void Acceptor::put_off(uint32_t index, Later later) {
  try {
    later();
    watched_[index].put_off = true;
  } catch (const std::bad_alloc&) {
    ++pauses_;
    pause_error_ = ENOMEM;
  }
}

// The edge is consumed by the first call, so whatever ends the loop but EAGAIN comes back here: by
// the run queue, or by a timer while there are no descriptors.
void Acceptor::accept_some(uint32_t index) {
  if (stopped_) return;
  const Watched watched = watched_[index];
  for (int i = 0; i < accepts_a_turn; ++i) {
    Address client;
    const int fd = sys::accept(watched.fd, client);
    if (fd >= 0) {
      sink_.on_accept(fd, client, watched.listener);
      if (stopped_) return;
      continue;
    }
    // The listener was ready and nobody is there: a sibling was faster, or the unix socket was shut
    // down, which Linux tells in no other way.
    const bool lost = fd == -EINVAL || (fd == -EAGAIN && i == 0 && !sys::still_listens(watched.fd));
    if (lost) {
      stop();
      return sink_.on_listener_lost(watched.listener);
    }
    if (fd == -EAGAIN) return;
    if (!transient(-fd)) return pause(index, -fd);
  }
  put_off(index, [&] { reactor_.enqueue(id_, Handle{index, 1}); });
}

void Acceptor::pause(uint32_t index, int error) {
  ++pauses_;
  pause_error_ = error;
  put_off(index, [&] { reactor_.arm(reactor_.now_ms() + pause_ms, id_, Handle{index, 1}, 0); });
}

}  // namespace sluice
