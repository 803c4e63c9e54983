// Waiting by a finer clock than the poller's milliseconds, without keeping a processor busy that
// whoever is measured may need.
#pragma once

#include <cstdint>

namespace sluice::load {

// Until the descriptor, one of the first 1,024, is readable, or `ns` (less than a second) are over.
void nap(int fd, uint64_t ns);

}  // namespace sluice::load
