// Metrics: what the keeper tells of all processes, from memory that they share and from the conf.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "core/config.h"
#include "core/keeper/names.h"
#include "core/members.h"
#include "core/observe/metrics_text.h"
#include "core/peers/peer_board.h"
#include "core/process/counter_rows.h"

namespace sluice {

// Where metrics are read. All outlives the call.
struct MetricsSources {
  const CounterRows& rows;
  PeerBoard::Memory peers;
  const Config& config;
  const Members& members;
  // What the conf's routes and listeners are called, and those of confs before it, by their ids.
  std::span<const std::string> routes;
  std::span<const std::string> listeners;
  uint64_t now_ms = 0;    // by the monotonic clock
  NameCounts names = {};  // of this keeper: they begin anew with the next one
};

// All metrics. Counters never go back while the master lives: not by a reload, and not by the death
// of a worker. Routes and listeners that have no row of their own, or no name any more, are
// "_other", and handshakes that ended before they had a route are "_none".
std::string metrics_text(const MetricsSources& sources, MetricsFormat format);

}  // namespace sluice
