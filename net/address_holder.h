// Finds out who listens at an address, for the message of a process that cannot bind there.
#pragma once

#include <string>

#include "net/address.h"

namespace sluice {

// "nginx, pid 123", or "" where /proc does not tell: other users' processes are root's to see.
// Reads many files and is meant for a start that fails. /proc stands under `root`, which is "" but
// in tests.
std::string holder_of(const Address& address, const std::string& root = "");

}  // namespace sluice
