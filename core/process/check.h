// What `sluice -t` asks of the machine beyond the conf and its files. It
// changes nothing there.
#pragma once

#include <string>
#include <vector>

#include "core/config.h"

namespace sluice {

// Warns of addresses that cannot be bound now and of servers' unix sockets that are missing.
std::vector<std::string> check_machine(const Config& config);

// Where this process is root: becomes `user` for good and warns of servers' unix sockets that this
// user may not connect to. For a process that ends afterwards.
std::vector<std::string> check_as_user(const Config& config);

}  // namespace sluice
