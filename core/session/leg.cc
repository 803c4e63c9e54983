// How a leg's connection begins and ends for the reactor and the kernel.
#include "core/session/leg.h"

#include <new>

namespace sluice {

Status Leg::open(Reactor& reactor, int fd, const Watch& watch) {
  Status watched = reactor.watch(fd, watch.handler, watch.handle, watch.leg);
  if (watched.ok()) {
    attach(fd);
  } else {
    sys::close(fd);
  }
  return watched;
}

void Leg::close(Reactor& reactor, End how) noexcept {
  if (!is_open()) return;
  reactor.unwatch(fd_);
  if (how == End::abort) {
    sys::set_abort_on_close(fd_);
  } else if (transport_ != nullptr) {
    try {
      shutdown_write();
    } catch (const std::bad_alloc&) {
      // Without memory for its last word the connection still ends.
    }
  }
  sys::close(fd_);
  detach();
}

}  // namespace sluice
