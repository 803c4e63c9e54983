// Passive health: when a peer goes out, who tries it, and how long it stays out.
#include "core/peers/peer_health.h"

#include <doctest/doctest.h>

#include <array>

using namespace sluice;

namespace {

constexpr PeerId peer{0};
constexpr HealthSettings settings{.max_fails = 3,
                                  .fail_timeout_ms = 10'000,
                                  .first_fail_timeout_ms = 10'000,
                                  .max_fail_timeout_ms = 35'000};

// Two workers' boards.
struct Boards {
  std::array<PeerRow, 2> rows;
  std::array<PeerHealth, 1> health;
  std::atomic<uint32_t> workers{2};
  PeerBoard::Memory memory{rows, health, &workers};
  PeerBoard a{memory, 0};
  PeerBoard b{memory, 1};

  Standing standing(uint64_t now_ms) { return standing_of(health[0], now_ms); }
};

}  // namespace

TEST_CASE("peer health: so many failures within the time, of all workers together") {
  Boards boards;
  CHECK(note_failure(boards.a, peer, PeerFault::error, settings, 100'000) == 0);
  CHECK(note_failure(boards.b, peer, PeerFault::error, settings, 101'000) == 0);
  CHECK(boards.standing(101'000) == Standing::up);
  CHECK(note_failure(boards.a, peer, PeerFault::error, settings, 102'000) == 10'000);
  CHECK(boards.standing(102'000) == Standing::out);
  CHECK(boards.standing(111'999) == Standing::out);
  CHECK(boards.standing(112'000) == Standing::due);
  CHECK(boards.health[0].failed == 3);
  CHECK(boards.health[0].latest == PeerFault::error);
}

TEST_CASE("peer health: failures that are further apart put nobody out, nor does max_fails off") {
  Boards boards;
  for (uint64_t at = 100'000; at < 200'000; at += 5'000) {
    CAPTURE(at);
    CHECK(note_failure(boards.a, peer, PeerFault::error, settings, at) == 0);
  }
  HealthSettings off = settings;
  off.max_fails = 0;
  for (int i = 0; i < 100; ++i)
    CHECK(note_failure(boards.b, peer, PeerFault::timeout, off, 300'000) == 0);
  CHECK(boards.standing(300'000) == Standing::up);
}

TEST_CASE("peer health: one session tries it; what fails meanwhile makes nothing worse") {
  Boards boards;
  PeerHealth& health = boards.health[0];
  for (int i = 0; i < 3; ++i) note_failure(boards.a, peer, PeerFault::error, settings, 100'000);
  CHECK(note_failure(boards.a, peer, PeerFault::error, settings, 105'000) ==
        0);  // all are out, all are tried
  CHECK(boards.standing(110'000) == Standing::due);
  CHECK(claim_probe(health, 110'000, 2'000));
  CHECK_FALSE(claim_probe(health, 111'999, 2'000));
  give_probe_back(health);
  CHECK(claim_probe(health, 111'999, 2'000));
  CHECK(claim_probe(health, 114'000, 2'000));  // whoever had it never told
  CHECK(note_failure(boards.b, peer, PeerFault::error, settings, 115'000) == 20'000);
  CHECK(boards.standing(134'999) == Standing::out);
  CHECK(claim_probe(health, 135'000, 2'000));
  CHECK(note_failure(boards.a, peer, PeerFault::error, settings, 136'000) == 35'000);  // the most
  CHECK(note_failure(boards.a, peer, PeerFault::error, settings, 171'000) == 35'000);
  CHECK(health.outs == 4);
  CHECK(note_success(health, 206'000) == 106'000);  // since it went out first
  CHECK(note_success(health, 206'000) == 0);
  CHECK(boards.standing(206'000) == Standing::up);
}

TEST_CASE("peer health: who was up for a while starts with the least time again") {
  struct Case {
    uint64_t up_ms;
    uint32_t out_ms;
  };
  for (const Case& each : {Case{9'000, 20'000}, Case{10'000, 10'000}}) {
    CAPTURE(each.up_ms);
    Boards boards;
    for (int i = 0; i < 3; ++i) note_failure(boards.a, peer, PeerFault::error, settings, 100'000);
    CHECK(note_success(boards.health[0], 110'000) == 10'000);
    const uint64_t again = 110'000 + each.up_ms;
    note_failure(boards.a, peer, PeerFault::error, settings, again);
    note_failure(boards.a, peer, PeerFault::error, settings, again);
    CHECK(note_failure(boards.a, peer, PeerFault::error, settings, again) == each.out_ms);
  }
}

TEST_CASE("peer health: a check that found it down outranks what sessions know") {
  Boards boards;
  boards.health[0].check = PeerCheck::down;
  CHECK(boards.standing(5) == Standing::out);
  boards.health[0].check = PeerCheck::up;
  CHECK(boards.standing(5) == Standing::up);
}

TEST_CASE("peer health: slow start counts from when it came back") {
  PeerHealth health;
  CHECK(share_of_weight(health, 10'000, 1'000) == 100);  // it never was out
  health.since_ms = 1'000;
  CHECK(share_of_weight(health, 0, 1'000) == 100);
  CHECK(share_of_weight(health, 10'000, 1'000) == 1);
  CHECK(share_of_weight(health, 10'000, 6'000) == 50);
  CHECK(share_of_weight(health, 10'000, 11'000) == 100);
}

TEST_CASE("peer health: what a check says outranks what sessions found, until it takes it back") {
  Boards boards;
  PeerHealth& health = boards.health[0];
  put_out_by_check(health, 50'000);
  CHECK(boards.standing(50'000) == Standing::out);
  CHECK(boards.standing(900'000) == Standing::out);  // it is never due
  CHECK(health.since_ms == 50'000);
  CHECK(health.outs == 1);
  CHECK(note_success(health, 60'000) == 0);  // of a session that began before
  CHECK(boards.standing(60'000) == Standing::out);
  CHECK(bring_back_by_check(health, 65'000) == 15'000);
  CHECK(boards.standing(65'000) == Standing::up);
  CHECK(share_of_weight(health, 10'000, 70'000) == 50);
  CHECK(bring_back_by_check(health, 65'000) == 1);  // at least
}

TEST_CASE("peer health: a check brings back whom sessions put out as well, and since when it was") {
  Boards boards;
  PeerHealth& health = boards.health[0];
  for (int i = 0; i < 3; ++i) note_failure(boards.a, peer, PeerFault::error, settings, 100'000);
  put_out_by_check(health, 103'000);
  CHECK(health.since_ms == 100'000);
  CHECK(boards.standing(120'000) == Standing::out);
  CHECK(bring_back_by_check(health, 104'000) == 4'000);
  CHECK(boards.standing(104'000) == Standing::up);

  for (int i = 0; i < 3; ++i) note_failure(boards.a, peer, PeerFault::error, settings, 200'000);
  put_out_by_check(health, 201'000);
  forget_check(health);
  CHECK(health.check == PeerCheck::none);
  CHECK(boards.standing(201'000) == Standing::out);  // what sessions found stands
  CHECK(boards.standing(300'000) == Standing::due);
}

TEST_CASE("peer health: failures are counted by what they were, until the peer is forgotten") {
  Boards boards;
  PeerHealth& health = boards.health[0];
  count_failure(health, PeerFailure::lost);
  count_failure(health, PeerFailure::lost);
  count_failure(health, PeerFailure::status);
  health.draining.store(true);
  CHECK(health.failed_by[static_cast<size_t>(PeerFailure::connect)] == 0);
  CHECK(health.failed_by[static_cast<size_t>(PeerFailure::lost)] == 2);
  CHECK(health.failed_by[static_cast<size_t>(PeerFailure::status)] == 1);
  forget(health);
  for (const auto& each : health.failed_by) CHECK(each == 0);
  CHECK_FALSE(health.draining);
}
