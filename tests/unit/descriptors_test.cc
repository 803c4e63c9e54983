// Descriptors: what is promised fits into the limit, to the last one.
#include "core/process/descriptors.h"

#include <doctest/doctest.h>

#include <limits>

#include "core/session/admission.h"

namespace sluice {
namespace {

TEST_CASE("descriptors: sessions, refusals and what passes fit into the limit, and no more would") {
  for (uint64_t held = 1; held < 300; held += 7) {
    for (uint64_t limit = 1; limit < 1200; ++limit) {
      const uint64_t sessions = most_sessions(limit, held);
      const uint64_t beside = held + overload_answers + 61;
      if (sessions > 0) REQUIRE(beside + 2 * sessions <= limit);
      REQUIRE(beside + 2 * (sessions + 1) > limit);
    }
  }
}

TEST_CASE("descriptors: a limit without end is still a number") {
  CHECK(most_sessions(std::numeric_limits<uint64_t>::max(), 41) == 100'000'000);
  CHECK(most_sessions(0, 41) == 0);
}

}  // namespace
}  // namespace sluice
