// CounterRows: what a child counts its parent reads, and the child after it goes on.
#include "core/process/counter_rows.h"

#include <doctest/doctest.h>

#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

TEST_CASE("counter rows: a row outlives the process that counts") {
  CounterRows rows;
  REQUIRE(rows.open(2).ok());
  CHECK(rows.row(0).accepted.value() == 0);
  for (int child = 0; child < 2; ++child) {
    CHECK(testing::run_in_child([&] {
            rows.row(1).accepted.add(3);
            return 0;
          }) == 0);
  }
  CHECK(rows.row(1).accepted.value() == 6);
  CHECK(rows.row(0).accepted.value() == 0);
}

TEST_CASE("counter rows: sessions of a dead worker are lost once, and its counters stay") {
  CounterRows rows;
  REQUIRE(rows.open(4).ok());
  rows.note_worker(2);
  rows.note_worker(1);
  CHECK(rows.workers() == 3);
  WorkerRow& row = rows.row(2);
  row.routes.set(LabelRows::first_route + 1);
  row.pid.set(4711);
  RouteRow& route = rows.labels(2).route(RouteId{0});
  route.opened.add(5);
  route.closed[1][1].add(2);
  rows.bury(2);
  rows.bury(2);
  CHECK(row.pid.value() == 0);
  CHECK(route.lost.value() == 3);
  CHECK(route.opened.value() == 5);
  CHECK(route.active() == 0);
}

TEST_CASE("counter rows: no row lies in another one") {
  CounterRows rows;
  REQUIRE(rows.open(3).ok());
  const auto first = rows.labels(0);
  const auto second = rows.labels(1);
  CHECK(first.routes.size() == CounterRows::most_routes + LabelRows::first_route);
  CHECK(first.listeners.size() == CounterRows::most_listeners + 1);
  const auto* end = reinterpret_cast<const char*>(first.listeners.data() + first.listeners.size());
  CHECK(end <= reinterpret_cast<const char*>(second.routes.data()));
  first.routes.back().opened.add(1);
  first.listeners.back().accepted.add(1);
  CHECK(second.routes[0].opened.value() == 0);
  second.routes[0].opened.add(1);
  CHECK(first.listeners.back().accepted.value() == 1);
  CHECK(reinterpret_cast<uintptr_t>(second.routes.data()) % alignof(RouteRow) == 0);
}

}  // namespace
}  // namespace sluice
