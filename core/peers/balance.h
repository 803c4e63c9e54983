// In which order a session tries an upstream's peers: pure functions of what is known of them.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/config.h"
#include "core/ids.h"

namespace sluice {

struct Candidate {
  PeerId peer{};
  uint32_t place = 0;     // in its upstream; no two have the same
  uint64_t identity = 0;  // identity_of() it
  uint32_t weight = 1;    // at least 1
  uint32_t active = 0;    // its sessions, over all workers
  uint32_t tier = 0;      // PeerConfig's
  bool up = true;
  // Of smooth round robin: how far its turn has come. Kept between calls for the same peer.
  int64_t turn = 0;
  double score = 0;  // of the hash; order_peers() sets it
};

// Best first. Those that are up come before those that are not, and among either those of lower
// tiers; within each of these kinds as `how` says:
//
//   round_robin  by weight, spread as evenly as can be (as nginx does)
//   least_conn   fewest sessions for its weight, one more counted; equal ones take turns
//   random_two   the better of two drawn by weight; the others as least_conn has them
//   hash         weighted rendezvous: `key` decides; where a peer goes its keys alone move
//
// `random`: 64 random bits, for random_two.
void order_peers(Balance how, uint64_t key, uint64_t random, std::span<Candidate> candidates);

// The same for a peer in every process and every start, wherever the conf lists it.
uint64_t identity_of(const PeerConfig& peer);
// The key of such a text.
uint64_t balance_key(std::string_view text);

}  // namespace sluice
