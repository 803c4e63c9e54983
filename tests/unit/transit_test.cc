// TransitPool: the one given back last is lent next, whatever it held is given back with it, and
// its scanner goes on from where another one rested.
#include "core/session/transit.h"

#include <doctest/doctest.h>

#include <set>
#include <vector>

namespace sluice {
namespace {

struct Pools {
  BufferPool buffers{256 * 1024};
  TransitPool transits{buffers};
};

TEST_CASE("transits: lent last-in first-out, each with nothing in it") {
  Pools pools;
  Transit* const one = pools.transits.borrow(FrameScanner());
  Transit* const two = pools.transits.borrow(FrameScanner());
  CHECK(one != two);
  CHECK(pools.transits.lent() == 2);
  two->stalled = two->slow = true;
  two->stalled_since_ms = 5;
  pools.transits.give_back(one);
  pools.transits.give_back(two);
  CHECK(pools.transits.lent() == 0);
  Transit* const next = pools.transits.borrow(FrameScanner());
  CHECK(next == two);
  CHECK_FALSE(next->ring.held());
  CHECK(next->pipe == nullptr);
  CHECK_FALSE(next->stalled);
  CHECK_FALSE(next->slow);
  CHECK(next->scanner.at_rest());
  pools.transits.give_back(next);
}

TEST_CASE("transits: what one holds goes back with it") {
  Pools pools;
  pools.buffers.pipes().set_limit(2);
  Transit* const transit = pools.transits.borrow(FrameScanner());
  transit->ring.borrow(pools.buffers, BufferClass::full);
  transit->pipe = pools.buffers.pipes().borrow();
  CHECK(pools.buffers.lent() == 1);
  CHECK(pools.buffers.pipes().lent() == 1);
  pools.transits.give_back(transit);
  CHECK(pools.buffers.lent() == 0);
  CHECK(pools.buffers.pipes().lent() == 0);
}

TEST_CASE("transits: the scanner counts on") {
  Pools pools;
  FrameRules rules;
  FrameScanner first;
  const uint8_t message[] = {0x82, 1, 'x'};
  first.scan(message, rules, 0);
  Transit* const transit = pools.transits.borrow(FrameScanner(first.lasting()));
  transit->scanner.scan(message, rules, 0);
  CHECK(transit->scanner.messages() == 2);
  pools.transits.give_back(transit);
}

TEST_CASE("transits: as many as were lent at once serve again") {
  Pools pools;
  std::set<Transit*> places;
  for (int round = 0; round < 2; ++round) {
    std::vector<Transit*> lent;
    for (int i = 0; i < 3000; ++i) {
      lent.push_back(pools.transits.borrow(FrameScanner()));
      places.insert(lent.back());
    }
    CHECK(pools.transits.lent() == 3000);
    for (Transit* transit : lent) pools.transits.give_back(transit);
  }
  CHECK(places.size() == 3000);
  CHECK(pools.transits.lent() == 0);
}

}  // namespace
}  // namespace sluice
