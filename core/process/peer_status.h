// What `sluice -s status` shows of upstreams and their peers, as JSON.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/members.h"
#include "core/observe/json.h"
#include "core/peers/peer_board.h"

namespace sluice {

// So many peers are shown: the answer of a command has an end.
inline constexpr size_t most_peers_shown = 2'000;

// An array of objects, each about an upstream, its peers in the conf's order, as names lead to them
// now. Those beyond most_peers_shown are counted instead. Servers whose names have not led to any
// address are named. `now_ms`: by the monotonic clock.
Json upstreams_status(std::span<const UpstreamConfig> upstreams, const Members& members,
                      PeerBoard& board, uint64_t now_ms);

}  // namespace sluice
