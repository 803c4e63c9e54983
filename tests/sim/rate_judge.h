// Judges handshake_rate: when clients were let in, by the kernel's word.
#pragma once

#include <cstdint>
#include <vector>

#include "protocol/frames.h"

namespace sluice::sim {

// Fails the world where more were let in between any two of these times than the limit permits.
void judge_rate(const RateLimit& limit, std::vector<uint64_t> let_in_ns);

}  // namespace sluice::sim
