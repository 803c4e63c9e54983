// What pings of the proxy's own cost, and what an idle session keeps in memory.
#pragma once

namespace sluice::alloc {

// Each returns how many of its claims failed.
int measure_pings();
int measure_idle_bytes();

}  // namespace sluice::alloc
