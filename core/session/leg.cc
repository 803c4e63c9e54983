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

Status Leg::take_over(Reactor& reactor, Leg& from, const Watch& watch) {
  Status watched = Done{};
  if (from.is_stream()) {
    from.transport_->watch(watch.handle, watch.leg);
  } else {
    watched = reactor.rewatch(from.fd_, watch.handler, watch.handle, watch.leg);
  }
  if (watched.ok()) {
    attach(from.fd_);
    transport_ = std::move(from.transport_);
    readable = from.readable;
    writable = from.writable;
    input_ended = from.input_ended;
    output_ended = from.output_ended;
    short_means_drained_ = from.short_means_drained_;
    error_ = from.error_;
  } else {
    sys::close(from.fd_);
  }
  from.detach();
  return watched;
}

void Leg::close(Reactor& reactor, End how) noexcept {
  if (!is_open()) return;
  if (is_stream()) return close_stream(how);
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

void Leg::close_stream(End how) noexcept {
  try {
    if (how == End::abort) {
      transport_->abort();
    } else {
      shutdown_write();
    }
  } catch (const std::bad_alloc&) {
    // Its connection ends it, or is lost itself.
  }
  detach();
}

}  // namespace sluice
