// Overview: all of sluice at a glance, as JSON: what /status.json says, what the page shows and
// what `sluice top` reads. It is read from memory that all processes share and from the conf.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "core/observe/json.h"
#include "core/process/counter_rows.h"
#include "core/process/metrics.h"

namespace sluice {

// What sluice has done since it started. Each number grows, but for `sessions`.
struct Totals {
  // Answers to handshakes by their place (answer_place), then TurnedAway.
  static constexpr size_t refusal_places = answer_places + turned_away_kinds;

  uint64_t sessions = 0;    // that relay now
  uint64_t handshakes = 0;  // that ended, however they did
  uint64_t messages = 0;    // from both sides
  uint64_t bytes = 0;       // of frames, from both sides
  uint64_t accepted = 0;    // connections
  uint64_t opened = 0;      // sessions
  uint64_t closed = 0;      // the same; those that were lost with their worker among them
  std::array<uint64_t, refusal_places> refused{};
};
Totals totals_of(const CounterRows& rows);

// Whether what is counted at that place of Totals::refused is a refusal, and its name:
// "404", "none" (the handshake ended without an answer), "other", "handshake_rate".
bool is_refusal(size_t place);
std::string refusal_name(size_t place);

// Its members are described in conf/status-json.md.
Json overview(const MetricsSources& sources, const Totals& totals, uint64_t wall_clock_s);

}  // namespace sluice
