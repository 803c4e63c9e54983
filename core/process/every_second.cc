// Every second: where no memory is left for the timer, the ends of later turns try again.
#include "core/process/every_second.h"

#include <new>
#include <utility>

namespace sluice {

namespace {

constexpr uint64_t every_ms = 1'000;

}  // namespace

EverySecond::EverySecond(Reactor& reactor, Call call)
    : reactor_(reactor), id_(reactor.attach(*this)), call_(std::move(call)) {}

void EverySecond::want(bool wanted) {
  if (wanted == wanted_) return;
  wanted_ = wanted;
  if (wanted_) {
    arm();
    call_();
  } else {
    reactor_.cancel(std::exchange(timer_, 0));
  }
}

void EverySecond::on_timer(Handle, unsigned) {
  timer_ = 0;
  arm();
  call_();
}

void EverySecond::arm() {
  try {
    timer_ = reactor_.arm(reactor_.now_ms() + every_ms, id_, Handle{0, 1}, 0);
  } catch (const std::bad_alloc&) {
    // on_turn_end()
  }
}

}  // namespace sluice
