// OneTimer: the one timer of a session. Each phase arms it for what it awaits; the session cancels
// it at its end.
#pragma once

#include <cstdint>
#include <utility>

#include "net/reactor.h"

namespace sluice {

class OneTimer {
 public:
  // Replaces what was armed. `handler` is called for `handle`.
  void arm(Reactor& reactor, Reactor::HandlerId handler, Handle handle, uint64_t delay_ms) {
    cancel(reactor);
    id_ = reactor.arm(reactor.now_ms() + delay_ms, handler, handle, 0);
  }
  void cancel(Reactor& reactor) { reactor.cancel(std::exchange(id_, 0)); }
  // To be called first when it expires: its id is void then.
  void expired() { id_ = 0; }

 private:
  TimerId id_ = 0;
};

}  // namespace sluice
