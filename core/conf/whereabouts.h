// Where a running sluice can be spoken to, as its conf says. A lenient look: whatever else is wrong
// with the conf, these lines are found.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/conf/conf.h"
#include "net/address.h"

namespace sluice {

struct Whereabouts {
  std::string control;   // the control socket's path; "": none
  std::string pid_file;  // "": none
  std::optional<Address> admin;
  std::string error_log;  // as Config has it
  bool unreadable = false;
  std::vector<ConfError> errors;  // what the reading found; references are not looked at
};

// Reads the conf and what it includes. It asks `inputs` for no host, so it waits for no name
// server.
Whereabouts find_whereabouts(const std::string& conf_path, ConfInputs& inputs);

}  // namespace sluice
