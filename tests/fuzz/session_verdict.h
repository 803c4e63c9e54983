// What must be true of the bytes that reached a session's two peers, whatever happened.
#pragma once

#include "tests/fuzz/session_world.h"

namespace sluice::fuzz {

// After settle(): heads are heads, frames are whole and in order, they are what the other peer sent
// (up to a Close of the proxy's), and nothing follows a Close.
void check_peers(const SessionWorld& world);

}  // namespace sluice::fuzz
