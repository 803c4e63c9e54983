// EverySecond: a call when it begins to be wanted and each second after, and no timer while it is
// not. That it goes on where no memory was left is alloc_tests'.
#include "core/process/every_second.h"

#include <doctest/doctest.h>

namespace sluice {
namespace {

TEST_CASE("every second: calls while it is wanted, and arms nothing else") {
  Reactor reactor;
  REQUIRE(reactor.open().ok());
  int calls = 0;
  EverySecond every_second(reactor, [&calls] { ++calls; });
  every_second.want(false);
  reactor.turn(0);
  CHECK(calls == 0);
  CHECK(reactor.armed_timers() == 0);
  every_second.want(true);
  every_second.want(true);
  CHECK(calls == 1);
  CHECK(reactor.armed_timers() == 1);
  while (calls < 2) reactor.turn(-1);
  CHECK(reactor.armed_timers() == 1);
  every_second.want(false);
  CHECK(reactor.armed_timers() == 0);
  CHECK(!every_second.armed());
  every_second.want(true);
  CHECK(calls == 3);
  CHECK(reactor.armed_timers() == 1);
}

}  // namespace
}  // namespace sluice
