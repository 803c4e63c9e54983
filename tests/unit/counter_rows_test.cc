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

}  // namespace
}  // namespace sluice
