// Passive health: a peer whose connections, TLS handshakes or answers fail too often gets no
// session for a while; then one session tries it.
#pragma once

#include <cstdint>

#include "core/config.h"
#include "core/peers/peer_board.h"

namespace sluice {

enum class Standing : uint8_t {
  up,
  due,  // its time out is over: one session may try it
  out,
};

// All times are of the monotonic clock.
Standing standing_of(const PeerHealth& health, uint64_t now_ms);

// A session tries a peer that is due, and no other one does for so long; false where another one
// came first. Who has tried tells note_success(), note_failure() or give_probe_back().
bool claim_probe(PeerHealth& health, uint64_t now_ms, uint64_t for_ms);
// The session ended before it could tell.
void give_probe_back(PeerHealth& health);

// A session with that peer failed. Returns for how many milliseconds it is out, where this was the
// failure that put it out; else 0.
uint32_t note_failure(PeerBoard& board, PeerId id, PeerFault fault, const HealthSettings& settings,
                      uint64_t now_ms);

// Counts it by what it was.
void count_failure(PeerHealth& health, PeerFailure what);

// It answered. Returns for how many milliseconds it had been out, at least 1, where this was what
// brought it back; else 0.
uint64_t note_success(PeerHealth& health, uint64_t now_ms);

// The keeper's verdict, by its checks: it is out, whatever sessions find, or no longer. The latter
// ends as well what failures of sessions had made of it, and returns for how many milliseconds it
// had been out, at least 1.
void put_out_by_check(PeerHealth& health, uint64_t now_ms);
uint64_t bring_back_by_check(PeerHealth& health, uint64_t now_ms);
// No check says anything about it any more.
void forget_check(PeerHealth& health);

// The number that it is kept under is to be another peer's.
void forget(PeerHealth& health);

// How much of a peer's weight counts, in percent, 1 to 100: over `slow_start_ms` from when it came
// back it grows evenly.
uint32_t share_of_weight(const PeerHealth& health, uint32_t slow_start_ms, uint64_t now_ms);

}  // namespace sluice
