// `sluice -s COMMAND`: tells a running sluice what to do, by its control socket or, where its conf
// names none, by signals to the process of its pid file.
#pragma once

#include <cstdint>
#include <string>

#include "core/conf/inputs.h"
#include "core/process/control_request.h"

namespace sluice {

// How long it waits, for tests to shorten.
struct CommandPatience {
  uint64_t answer_ms = 10'000;
  uint64_t reload_ms = 120'000;  // names are resolved meanwhile
  uint64_t end_ms = 10'000;      // until a sluice that was told to stop has gone
};

// Finds the sluice that was started with this conf, speaks to it and returns the exit status: 0
// where the command was done (quit: where it was accepted). `arguments` stand behind its word. What
// went wrong, with the remedy, and warnings go to stderr, the answer to status and the table of
// sessions to stdout. Blocks.
int send_command(ControlCommand command, const std::string& arguments, const std::string& conf_path,
                 ConfInputs& inputs, const CommandPatience& patience = {});

}  // namespace sluice
