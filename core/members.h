// Which peers the names of servers stand for now.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/config.h"

namespace sluice {

// As core/names.h says: sorts, and takes each address once, the first in that order, which has the
// larger weight. The other one leaves out, and counts, what is over `most`.
void put_in_order(NameTargets& targets);
void put_in_order(NameTargets& targets, size_t most, size_t& left_out);

// "localhost" and what is under it, which no name server is asked for (RFC 6761 6.3).
bool is_local_name(const std::string& host);

// The peers of a named server with these targets, without ids. Weights of a service keep their
// ratios, from 1 to most_weight, as far as whole numbers can, and multiply the server's own; each
// priority is a tier.
std::vector<PeerConfig> peers_of(const NamedServer& server, const NameTargets& targets);
// Puts `now`, which is that server's, in the place of what it had before.
void replace_peers(std::vector<PeerConfig>& peers, uint32_t server, std::vector<PeerConfig> now);

// All questions that a conf's servers ask while sluice runs, each once.
std::vector<NameQuestion> questions_of(const Config& config);

// What one named server of an upstream has for peers.
struct NamedMembers {
  UpstreamId upstream{};
  uint32_t server = 0;  // PeerConfig::server
  NameTargets targets{};
  std::vector<PeerId> ids{};  // of the targets, one by one

  bool operator==(const NamedMembers&) const = default;
};

// What names stand for in place of what they did when a conf was loaded. Of those that it leaves
// out the conf's own peers stand.
struct Members {
  uint32_t generation = 0;          // of the conf
  std::vector<NamedMembers> named;  // sorted by upstream

  bool operator==(const Members&) const = default;
};

// Whether both have the same members for that upstream.
bool same_members(UpstreamId upstream, const Members& one, const Members& other);

// The peers of that upstream now. What is no server of it is passed over.
std::vector<PeerConfig> peers_now(const UpstreamConfig& upstream, const Members& members);

}  // namespace sluice
