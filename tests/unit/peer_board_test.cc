// PeerBoard: one row a worker and peer, and sums of them.
#include "core/peers/peer_board.h"

#include <doctest/doctest.h>

#include <array>

using namespace sluice;

TEST_CASE("peer board: failures are summed over the windows that are still open") {
  std::array<PeerRow, 6> rows;
  std::array<PeerHealth, 2> health;
  std::atomic<uint32_t> workers{3};
  const PeerBoard::Memory memory{rows, health, &workers};
  PeerBoard a(memory, 0);
  PeerBoard b(memory, 1);
  const PeerId peer{1};
  a.own_row(peer).failures = 2;
  a.own_row(peer).window_ms = 1'000;
  b.own_row(peer).failures = 5;
  b.own_row(peer).window_ms = 2'000;
  CHECK(a.failures_since(peer, 1'000) == 7);
  CHECK(a.failures_since(peer, 1'001) == 5);
  CHECK(b.failures_since(peer, 2'001) == 0);
  CHECK(a.failures_since(PeerId{0}, 0) == 0);
  bury(memory.rows_of(1));
  CHECK(a.failures_since(peer, 0) == 2);
}

TEST_CASE("peer board: without memory a worker knows what it did itself") {
  PeerBoard board;
  board.own_row(PeerId{7}).active = 2;
  CHECK(board.active(PeerId{7}) == 2);
  CHECK(board.active(PeerId{8}) == 0);
  board.health(PeerId{7}).out_until_ms = 5;
  CHECK(board.health(PeerId{7}).out_until_ms == 5);
  CHECK(board.health(PeerId{8}).out_until_ms == 0);
}
