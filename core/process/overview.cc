// Workers go on counting while this is read: each number is true, their sums may be one apart.
#include "core/process/overview.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "core/process/peer_status.h"
#include "core/process/status.h"

namespace sluice {

namespace {

constexpr const char* turned_away_names[turned_away_kinds] = {
    "worker_connections", "drained",          "handshake_rate", "memory", "deny",
    "limit_connections",  "client_table_size"};
constexpr int64_t day_s = 86'400;

std::span<const RouteRow> used_routes(const CounterRows& rows, uint32_t worker) {
  const LabelRows labels = rows.labels(worker);
  return labels.routes.first(
      std::min<size_t>(rows.row(worker).routes.value(), labels.routes.size()));
}

// The counters of a route, over all workers.
struct RouteTotals {
  uint64_t opened = 0;
  uint64_t closed = 0;
  uint64_t messages[2] = {};  // from clients, from upstreams
  uint64_t bytes[2] = {};
  std::array<uint64_t, answer_places> answered{};
  uint64_t requests = 0;  // plain ones

  void add(const RouteRow& row) {
    const TrafficCounters* const traffic[] = {&row.from_client, &row.from_upstream};
    for (size_t i = 0; i < 2; ++i) {
      messages[i] += traffic[i]->frames.messages();
      bytes[i] += traffic[i]->received();
    }
    // What ends meanwhile is seen as open, and not as closed without having been.
    closed += row.closed_in_all() + row.lost.value();
    opened += row.opened.value();
    for (size_t i = 0; i < answer_places; ++i) answered[i] += row.answered[i].value();
    for (const Counter& each : row.served) requests += each.value();
  }
  uint64_t active() const { return std::max(opened, closed) - closed; }
  uint64_t handshakes() const {
    uint64_t sum = opened;
    for (const uint64_t count : answered) sum += count;
    return sum;
  }
};

// By their places in LabelRows::routes.
std::vector<RouteTotals> route_totals(const CounterRows& rows) {
  std::vector<RouteTotals> totals(LabelRows::first_route);
  for (uint32_t i = 0; i < rows.workers(); ++i) {
    const std::span<const RouteRow> routes = used_routes(rows, i);
    if (totals.size() < routes.size()) totals.resize(routes.size());
    for (size_t place = 0; place < routes.size(); ++place) totals[place].add(routes[place]);
  }
  return totals;
}

Json refusals(const uint64_t* counts, size_t places) {
  Json told = Json::object();
  for (size_t i = 0; i < places; ++i) {
    if (counts[i] > 0 && is_refusal(i)) told[refusal_name(i)] = counts[i];
  }
  return told;
}

Json traffic(uint64_t bytes, uint64_t messages) {
  return {{"bytes", bytes}, {"messages", messages}};
}

Json route_status(std::string_view name, const RouteTotals& totals) {
  return {{"route", name},
          {"sessions", totals.active()},
          {"handshakes", totals.handshakes()},
          {"requests", totals.requests},
          {"opened", totals.opened},
          {"closed", totals.closed},
          {"from_client", traffic(totals.bytes[0], totals.messages[0])},
          {"from_upstream", traffic(totals.bytes[1], totals.messages[1])},
          {"refused", refusals(totals.answered.data(), totals.answered.size())}};
}

// The conf's in its order; then those of confs before it that still have sessions, and what has no
// row of its own.
Json routes_status(const MetricsSources& from) {
  const std::vector<RouteTotals> totals = route_totals(from.rows);
  Json all = Json::array();
  std::set<size_t> told;
  for (const RouteConfig& route : from.config.routes) {
    const size_t place = LabelRows::place_of(route.id);
    if (place >= LabelRows::first_route + CounterRows::most_routes) continue;
    if (!told.insert(place).second) continue;
    const std::string& name = from.routes[static_cast<size_t>(route.id)];
    all.push_back(route_status(name, place < totals.size() ? totals[place] : RouteTotals()));
    if (!route.reply) {
      all.back()["upstream"] = from.config.upstream(route.upstream).name;
    }
  }
  for (size_t place = LabelRows::first_route; place < totals.size(); ++place) {
    const size_t id = place - LabelRows::first_route;
    if (totals[place].active() == 0 || id >= from.routes.size() || told.contains(place)) continue;
    all.push_back(route_status(from.routes[id], totals[place]));
    all.back()["gone"] = true;
  }
  for (const auto& [place, name] :
       {std::pair(LabelRows::other, "_other"), std::pair(LabelRows::no_route, "_none")}) {
    if (totals[place].handshakes() > 0) all.push_back(route_status(name, totals[place]));
  }
  return all;
}

Json listener_status(std::string_view name, const CounterRows& rows, size_t place) {
  uint64_t accepted = 0;
  std::array<uint64_t, turned_away_kinds> turned_away{};
  for (uint32_t i = 0; i < rows.workers(); ++i) {
    const ListenerRow& row = rows.labels(i).listeners[place];
    accepted += row.accepted.value();
    for (size_t kind = 0; kind < turned_away_kinds; ++kind) {
      turned_away[kind] += row.turned_away[kind].value();
    }
  }
  Json refused = Json::object();
  for (size_t kind = 0; kind < turned_away_kinds; ++kind) {
    if (turned_away[kind] > 0) refused[turned_away_names[kind]] = turned_away[kind];
  }
  return {{"address", name}, {"accepted", accepted}, {"refused", std::move(refused)}};
}

Json listeners_status(const MetricsSources& from) {
  Json all = Json::array();
  bool beyond = false;
  for (const ListenConfig& each : from.config.listeners) {
    const auto place = static_cast<size_t>(each.id);
    if (place >= CounterRows::most_listeners) {
      beyond = true;
      continue;
    }
    all.push_back(listener_status(each.address.text(), from.rows, place));
    all.back()["tls"] = each.tls != nullptr;
  }
  if (beyond) all.push_back(listener_status("_other", from.rows, CounterRows::most_listeners));
  return all;
}

Json workers_status(const CounterRows& rows) {
  Json all = Json::array();
  for (uint32_t i = 0; i < rows.workers(); ++i) {
    const WorkerRow& row = rows.row(i);
    uint64_t lost = 0;
    for (const RouteRow& route : used_routes(rows, i)) lost += route.lost.value();
    all.push_back(worker_status(i, static_cast<pid_t>(row.pid.value()), row, rows.labels(i), lost));
    all.back()["busy"] = static_cast<double>(row.busy_permille.value()) / 1'000;
    all.back()["restarts"] = std::max<uint64_t>(row.starts.value(), 1) - 1;
  }
  return all;
}

// Whole days, downwards: what ended an hour ago has -1 left.
Json certificates_status(const Config& config, uint64_t wall_clock_s) {
  Json all = Json::array();
  for (const CertificateEnd& each : config.certificate_ends) {
    const int64_t left_s = each.at_s - static_cast<int64_t>(wall_clock_s);
    const int64_t days = left_s >= 0 ? left_s / day_s : -((day_s - 1 - left_s) / day_s);
    all.push_back({{"what", each.what}, {"not_after_s", each.at_s}, {"days_left", days}});
  }
  return all;
}

Json totals_status(const Totals& totals) {
  return {{"sessions", totals.sessions},
          {"accepted", totals.accepted},
          {"handshakes", totals.handshakes},
          {"opened", totals.opened},
          {"closed", totals.closed},
          {"messages", totals.messages},
          {"bytes", totals.bytes}};
}

}  // namespace

bool is_refusal(size_t place) {
  if (place >= counted_answers.size()) return true;
  return counted_answers[place] == 0 || counted_answers[place] >= 400;
}

std::string refusal_name(size_t place) {
  if (place >= answer_places) return turned_away_names[place - answer_places];
  if (place == counted_answers.size()) return "other";
  return counted_answers[place] == 0 ? "none" : std::to_string(counted_answers[place]);
}

Totals totals_of(const CounterRows& rows) {
  Totals totals;
  for (uint32_t i = 0; i < rows.workers(); ++i) {
    totals.accepted += rows.row(i).accepted.value();
    for (const RouteRow& route : used_routes(rows, i)) {
      RouteTotals one;
      one.add(route);
      totals.sessions += one.active();
      totals.handshakes += one.handshakes();
      totals.opened += one.opened;
      totals.closed += one.closed;
      for (const uint64_t count : one.messages) totals.messages += count;
      for (const uint64_t count : one.bytes) totals.bytes += count;
      for (size_t place = 0; place < answer_places; ++place) {
        totals.refused[place] += one.answered[place];
      }
    }
    for (const ListenerRow& row : rows.labels(i).listeners) {
      for (size_t kind = 0; kind < turned_away_kinds; ++kind) {
        totals.refused[answer_places + kind] += row.turned_away[kind].value();
      }
    }
  }
  return totals;
}

Json overview(const MetricsSources& from, const Totals& totals, uint64_t wall_clock_s) {
  const MasterRow& master = from.rows.master();
  const uint64_t started_ms = std::min(from.now_ms, master.started_ms.value());
  Json status;
  status["version"] = SLUICE_VERSION;
  status["conf"] = from.config.file;
  status["generation"] = master.generation.value();
  status["loaded_s"] = master.last_reload_s.value();
  status["reloads"] = {{"good", master.reloads.value()},
                       {"bad", master.failed_reloads.value()},
                       {"latest_bad", master.last_reload_failed.value() != 0}};
  status["started_s"] = master.started_s.value();
  status["uptime_s"] = (from.now_ms - started_ms) / 1000;
  status["now_ms"] = from.now_ms;
  status["ending"] = master.ending.value() != 0;
  status["totals"] = totals_status(totals);
  status["refused"] = refusals(totals.refused.data(), totals.refused.size());
  status["listeners"] = listeners_status(from);
  status["certificates"] = certificates_status(from.config, wall_clock_s);
  status["routes"] = routes_status(from);
  PeerBoard board(from.peers, 0);
  status["upstreams"] = upstreams_status(from.config.upstreams, from.members, board, from.now_ms);
  status["workers"] = workers_status(from.rows);
  return status;
}

}  // namespace sluice
