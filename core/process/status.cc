// Counters are read while their worker writes them: each is true, their sums may be one apart.
#include "core/process/status.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace sluice {

namespace {

Json traffic_status(const Traffic& traffic) {
  return {{"bytes", traffic.bytes}, {"messages", traffic.messages}};
}

}  // namespace

uint64_t living_sessions(const WorkerRow& row, uint64_t lost) {
  const uint64_t over = row.ended_in_all() + lost;
  const uint64_t relayed = row.relayed.value();
  return relayed > over ? relayed - over : 0;
}

Json worker_status(uint32_t number, pid_t pid, const WorkerRow& row, const LabelRows& labels,
                   uint64_t lost) {
  Json ended = Json::object();
  for (size_t i = 0; i < row.ended.size(); ++i) {
    const uint64_t count = row.ended[i].value();
    if (count > 0) ended[name_of(static_cast<EndKind>(i))] = count;
  }
  Json limited = Json::object();
  for (size_t i = 0; i < client_limits; ++i) {
    const uint64_t count = row.limited[i].value();
    if (count > 0) limited[name_of(static_cast<ClientLimit>(i))] = count;
  }
  return {{"number", number},
          {"pid", pid},
          {"sessions", living_sessions(row, lost)},
          {"accepted", row.accepted.value()},
          {"turned_away", row.turned_away.value()},
          {"refused", row.refused.value()},
          {"handshake_rate_pauses", row.held_back.value()},
          {"handshake_rate_refused", row.rate_refused.value()},
          {"limited", std::move(limited)},
          {"clients_forgotten", row.clients_forgotten.value()},
          {"requests", row.served.value()},
          {"relayed", row.relayed.value()},
          {"lost", lost},
          {"from_client", traffic_status(traffic_from_clients(row, labels))},
          {"from_upstream", traffic_status(traffic_from_upstreams(row, labels))},
          {"ended", std::move(ended)}};
}

}  // namespace sluice
