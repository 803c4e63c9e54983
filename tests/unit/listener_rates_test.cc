// ListenerRates: what a child takes its parent and the child after it have no more.
#include "core/process/listener_rates.h"

#include <doctest/doctest.h>

#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

TEST_CASE("listener rates: one a listener, for all processes") {
  ListenerRateMemory memory;
  REQUIRE(memory.open().ok());
  const ListenerRates rates = memory.rates();
  REQUIRE(rates);
  CHECK_FALSE(ListenerRates());
  const SharedRate::Limit limit{1, 2};
  constexpr uint64_t now_ns = 5'000'000'000;
  for (int child = 0; child < 2; ++child) {
    CHECK(testing::run_in_child(
              [&] { return rates.of(ListenerId{3}).take(limit, now_ns) == 0 ? 0 : 1; }) == 0);
  }
  CHECK(rates.of(ListenerId{3}).take(limit, now_ns) > 0);
  CHECK(rates.of(ListenerId{4}).take(limit, now_ns) == 0);
  CHECK(&rates.of(ListenerId{3}) != &rates.of(ListenerId{4}));
  rates.of(ListenerId{UINT32_MAX}).take(limit, now_ns);  // there is room for any
}

}  // namespace
}  // namespace sluice
