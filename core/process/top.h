// `sluice top`: what a running sluice does, on a terminal or for a script. A client of its admin
// address and its control socket; it changes nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "core/conf/inputs.h"

namespace sluice {

struct TopOptions {
  std::string conf;
  uint64_t interval_ms = 1'000;
  uint32_t sessions = 500;  // that are looked at, to find the busiest; 0: none
  bool once = false;
  bool json = false;  // with `once`
  bool help = false;
};

inline constexpr const char* top_usage =
    "usage: sluice top [-c FILE] [--interval TIME] [--sessions N] [--once [--json]]\n"
    "  -c FILE          the conf that sluice was started with\n"
    "  --interval TIME  between two looks, 100ms to 1h (1s)\n"
    "  --sessions N     how many sessions are looked at for the busiest, 0 to 1000000 (500)\n"
    "  --once           print one screen, of two looks, and end\n"
    "  --json           with --once: a line of JSON: status, rates (a second), sessions\n"
    "It reads /status.json of the admin address and, for sessions, the control socket.\n";

// The words behind `top`. "" where they are well-formed, else what is wrong.
std::string read_top_options(std::span<const char* const> words, TopOptions& options);

// Finds the sluice by its conf and shows it until a key or a signal ends that. Returns the exit
// status; what is wrong goes to stderr, a line each.
int run_top(const TopOptions& options, ConfInputs& inputs);

}  // namespace sluice
