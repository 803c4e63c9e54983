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
  two->conveyor.shrink(pools.buffers);
  two->close_code = CloseCode::going_away;
  pools.transits.give_back(one);
  pools.transits.give_back(two);
  CHECK(pools.transits.lent() == 0);
  Transit* const next = pools.transits.borrow(FrameScanner());
  CHECK(next == two);
  CHECK(next->conveyor.at_rest());
  CHECK(next->close_code == CloseCode::normal);
  CHECK(next->scanner.at_rest());
  pools.transits.give_back(next);
}

TEST_CASE("transits: what one holds goes back with it") {
  Pools pools;
  Transit* const transit = pools.transits.borrow(FrameScanner());
  transit->conveyor.ring().borrow(pools.buffers, BufferClass::full);
  CHECK(pools.buffers.lent() == 1);
  pools.transits.give_back(transit);
  CHECK(pools.buffers.lent() == 0);
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
