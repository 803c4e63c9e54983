// Descriptors: how many of a worker's descriptors are its own, its sessions' and its refusals'.
// Nothing else does this sum.
#pragma once

#include <cstdint>

namespace sluice {

// How many sessions, of two descriptors each, fit into a limit of `limit` descriptors, beside the
// `held` ones that a worker has open once it can serve, and beside its refusals. 0: not even one.
uint32_t most_sessions(uint64_t limit, uint64_t held);

}  // namespace sluice
