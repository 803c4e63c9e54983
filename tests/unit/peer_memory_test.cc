// PeerMemory: what one process's board says all others' show, and a dead worker's row is emptied.
#include "core/process/peer_memory.h"

#include <doctest/doctest.h>

#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

constexpr PeerId peer{3};

TEST_CASE("peer memory: boards sum over the workers that there have been") {
  PeerMemory memory;
  REQUIRE(memory.open(4).ok());
  PeerBoard here(memory.memory(), 0);
  CHECK(here.active(peer) == 0);
  memory.note_worker(0);
  memory.note_worker(2);
  CHECK(testing::run_in_child([&] {
          PeerBoard(memory.memory(), 2).own_row(peer).active.store(5);
          return 0;
        }) == 0);
  here.own_row(peer).active.store(2);
  CHECK(here.active(peer) == 7);
  CHECK(here.active(PeerId{4}) == 0);
  bury(memory.memory().rows_of(2));
  CHECK(here.active(peer) == 2);
  memory.note_worker(1);  // a smaller number changes nothing
  CHECK(here.active(peer) == 2);
}

TEST_CASE("peer memory: a peer beyond its room is known to the worker alone") {
  PeerMemory memory;
  REQUIRE(memory.open(2).ok());
  memory.note_worker(1);
  PeerBoard one(memory.memory(), 0);
  PeerBoard other(memory.memory(), 1);
  const PeerId far{1'000'000};
  one.own_row(far).active.store(3);
  one.health(far).outs.store(1);
  CHECK(one.active(far) == 3);
  CHECK(one.health(far).outs.load() == 1);
  CHECK(other.active(far) == 0);
}

}  // namespace
}  // namespace sluice
