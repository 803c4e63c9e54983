// What `sluice -t` asks of the machine beyond the conf and its files. It changes nothing there.
#pragma once

#include <string>
#include <vector>

#include "core/config.h"

namespace sluice {

// Warnings: addresses that cannot be bound now, unix sockets of servers that are not there.
std::vector<std::string> check_machine(const Config& config);

// Becomes `user`, for good, where this process is root, and warns of servers' unix sockets that it
// may not connect to then. For a process that ends afterwards.
std::vector<std::string> check_as_user(const Config& config);

}  // namespace sluice
