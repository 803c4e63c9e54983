// FairShare: what makes a session busy, and how long light ones shorten the turns of busy ones.
#include "core/session/fair_share.h"

#include <doctest/doctest.h>

namespace sluice {
namespace {

TEST_CASE("fair share: a session is busy by what its last turn moved, if it moved anything") {
  CHECK_FALSE(FairShare::busy(false, FairShare::busy_bytes - 1));
  CHECK(FairShare::busy(false, FairShare::busy_bytes));
  CHECK_FALSE(FairShare::busy(true, 1));
  CHECK(FairShare::busy(true, 0));
  CHECK_FALSE(FairShare::busy(false, 0));
}

TEST_CASE("fair share: light sessions are about for a while after one was served") {
  FairShare share;
  CHECK_FALSE(share.light_beside(1'000));
  share.served_light(1'000);
  CHECK(share.light_beside(1'000));
  CHECK(share.light_beside(1'000 + FairShare::light_for_ms - 1));
  CHECK_FALSE(share.light_beside(1'000 + FairShare::light_for_ms));
}

}  // namespace
}  // namespace sluice
