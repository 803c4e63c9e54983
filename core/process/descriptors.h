// Descriptors: how a worker's descriptors are shared out among what it holds for itself, sessions
// and refusals. Nobody else does this sum.
#pragma once

#include <cstdint>

namespace sluice {

// Sessions, of two descriptors each, for which a limit of `limit` descriptors has room beside the
// `held` ones that a worker has open once it can serve, and beside its refusals. 0 where not even
// one fits.
uint32_t most_sessions(uint64_t limit, uint64_t held);

}  // namespace sluice
