// ClientMemory: what one process counts all others see, and a dead worker's is taken back.
#include "core/process/client_memory.h"

#include <doctest/doctest.h>

#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using Outcome = ClientCounts::Outcome;

ClientKey somebody(const ClientMemory& memory) {
  const ClientAddress client(Address::parse("192.0.2.1:7").value());
  return ClientKeys(memory.memory().secret).on_route(client, RouteId{3}).value();
}

TEST_CASE("client memory: a child's count is held against its sibling's until it is buried") {
  ClientMemory memory;
  REQUIRE(memory.open(3, 1'000).ok());
  memory.note_worker(0);
  memory.note_worker(2);
  const ClientKey key = somebody(memory);
  CHECK(testing::run_in_child([&] {
          ClientLimits limits(memory.memory(), 2);
          return limits.counts().enter(key, 2) == Outcome::entered &&
                         limits.counts().enter(key, 2) == Outcome::entered
                     ? 0
                     : 1;
        }) == 0);
  ClientLimits here(memory.memory(), 0);
  CHECK(here.counts().enter(key, 2) == Outcome::over);
  CHECK(here.counts().enter(key, 3) == Outcome::entered);
  memory.bury(2);
  memory.bury(1);  // which counted nothing
  CHECK(here.counts().count(key) == 1);
  CHECK(here.counts().enter(key, 2) == Outcome::entered);
}

TEST_CASE("client memory: processes that ask at the same instant get no more than there is") {
  ClientMemory memory;
  REQUIRE(memory.open(2, 1'000).ok());
  memory.note_worker(1);
  const ClientKey key = somebody(memory);
  for (int round = 0; round < 50; ++round) {
    const pid_t child = sys::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      ClientLimits limits(memory.memory(), 1);
      const int entered = limits.counts().enter(key, 1) == Outcome::entered ? 1 : 0;
      _exit(entered);  // and dies with it
    }
    ClientLimits here(memory.memory(), 0);
    const bool entered = here.counts().enter(key, 1) == Outcome::entered;
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WEXITSTATUS(status) + (entered ? 1 : 0) <= 1);
    memory.bury(1);
    if (entered) here.counts().leave(key);
    CHECK(here.counts().count(key) == 0);
  }
}

TEST_CASE("client memory: a rate is one over all processes, and secrets differ") {
  ClientMemory memory;
  ClientMemory other;
  REQUIRE(memory.open(2, 64).ok());
  REQUIRE(other.open(2, 64).ok());
  CHECK(somebody(memory) != somebody(other));
  const ClientKey key = somebody(memory);
  const ClientRate rate{1, 60, 2};
  CHECK(testing::run_in_child([&] {
          return ClientLimits(memory.memory(), 1).rates().take(key, rate, 5).wait_ns == 0 ? 0 : 1;
        }) == 0);
  ClientLimits here(memory.memory(), 0);
  CHECK(here.rates().take(key, rate, 5).wait_ns == 0);
  CHECK(here.rates().take(key, rate, 5).wait_ns > 0);
}

}  // namespace
}  // namespace sluice
