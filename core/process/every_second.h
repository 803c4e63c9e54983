// EverySecond: a call once a second while somebody wants it, and no wake-up while nobody does.
#pragma once

#include <functional>

#include "net/reactor.h"

namespace sluice {

class EverySecond final : public EventHandler {
 public:
  using Call = std::function<void()>;

  // `reactor`, whose handler it stays, and what `call` uses outlive it.
  EverySecond(Reactor& reactor, Call call);

  // Where that is new, the first call is made at once.
  void want(bool wanted);
  bool armed() const { return timer_ != 0; }

  void on_ready(Handle, unsigned, Readiness) override {}
  void on_timer(Handle, unsigned) override;
  void on_run(Handle) override {}
  void on_turn_end() override {
    if (wanted_ && !armed()) arm();
  }

 private:
  void arm();

  Reactor& reactor_;
  Reactor::HandlerId id_;
  Call call_;
  TimerId timer_ = 0;
  bool wanted_ = false;
};

}  // namespace sluice
