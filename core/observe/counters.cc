// Counters in words.
#include "core/observe/counters.h"

#include <algorithm>

namespace sluice {

const char* name_of(EndKind kind) {
  switch (kind) {
    case EndKind::none:
      return "none";
    case EndKind::peer_close:
      return "peer_close";
    case EndKind::no_close:
      return "no_close";
    case EndKind::connection_lost:
      return "connection_lost";
    case EndKind::protocol_error:
      return "protocol_error";
    case EndKind::idle_timeout:
      return "idle_timeout";
    case EndKind::send_timeout:
      return "send_timeout";
    case EndKind::close_timeout:
      return "close_timeout";
    case EndKind::buffer_memory:
      return "buffer_memory";
    case EndKind::shutdown:
      return "shutdown";
    case EndKind::drain:
      return "drain";
    case EndKind::command:
      return "command";
    case EndKind::session_age:
      return "session_age";
    case EndKind::ping_timeout:
      return "ping_timeout";
    case EndKind::rate:
      return "rate";
    case EndKind::queued_time:
      return "queued_time";
    case EndKind::token_expired:
      return "token_expired";
    case EndKind::resources:
      return "resources";
  }
  return "none";
}

void Durations::add(uint64_t duration) {
  counts[place_of(duration)].add(1);
  sum.add(duration);
}

uint64_t Durations::count() const {
  uint64_t all = 0;
  for (const Counter& each : counts) all += each.value();
  return all;
}

size_t answer_place(int status) {
  const auto* const found = std::find(counted_answers.begin(), counted_answers.end(), status);
  return static_cast<size_t>(found - counted_answers.begin());
}

size_t close_place(uint16_t code) {
  constexpr uint16_t first = 1000;
  if (code >= first && code <= 1015) return code - first;
  if (code >= 3000 && code < 4000) return 16;
  return code >= 4000 && code < 5000 ? 17 : 18;
}

// What went is read before what came: it may be too much for a moment, never below 0.
uint64_t TrafficCounters::queued() const {
  const uint64_t gone = let_go.value() + dropped.value();
  const uint64_t come = taken.value() + own.value();
  return std::max(come, gone) - gone;
}

uint64_t TrafficCounters::payload(bool masked) const {
  const uint64_t all = received();
  const uint64_t others = frames.header_bytes(masked) + frames.control_bytes();
  return std::max(all, others) - others;
}

void WorkerRow::clear_gauges() {
  for (Gauge* each : {&pid, &confs, &busy_permille, &ring_bytes, &pipes}) each->set(0);
  for (DrainGauges& each : drains) each.left.set(0);
  process.clear();
}

uint64_t WorkerRow::connections() const {
  const uint64_t over = gone.value() + without_session.value();
  return std::max(accepted.value() + http2_streams.value(), over) - over;
}

uint64_t WorkerRow::in_handshake() const {
  const uint64_t over = relayed.value() + refused.value() + failed.value() + served.value() +
                        without_session.value() + http2_connections.value();
  const uint64_t begun = accepted.value() + reused.value() + http2_streams.value();
  return std::max(begun, over) - over;
}

uint64_t RouteRow::closed_in_all() const {
  uint64_t sum = 0;
  for (const auto& of_party : closed) {
    for (const Counter& each : of_party) sum += each.value();
  }
  return sum;
}

uint64_t RouteRow::active() const {
  const uint64_t over = closed_in_all() + lost.value();
  return std::max(opened.value(), over) - over;
}

namespace {

Traffic sum_of(const WorkerRow& row, const LabelRows& labels, TrafficCounters RouteRow::*side) {
  Traffic sum;
  const size_t rows = std::min<size_t>(row.routes.value(), labels.routes.size());
  for (const RouteRow& each : labels.routes.first(rows)) {
    sum.bytes += (each.*side).received();
    sum.messages += (each.*side).frames.messages();
  }
  return sum;
}

}  // namespace

Traffic traffic_from_clients(const WorkerRow& row, const LabelRows& labels) {
  return sum_of(row, labels, &RouteRow::from_client);
}

Traffic traffic_from_upstreams(const WorkerRow& row, const LabelRows& labels) {
  return sum_of(row, labels, &RouteRow::from_upstream);
}

const char* name_of(ClientLimit limit) {
  switch (limit) {
    case ClientLimit::connections:
      return "connections_per_client";
    case ClientLimit::route_connections:
      return "connections_per_route";
    case ClientLimit::listener_connections:
      return "listener_connections_per_client";
    case ClientLimit::handshakes:
      return "handshakes_per_client";
    case ClientLimit::table:
      break;
  }
  return "client_table_size";
}

std::string text_of(const WorkerRow& row, const LabelRows& labels) {
  std::string text;
  const auto add = [&text](const char* name, uint64_t value) {
    if (!text.empty()) text += ", ";
    text.append(name).append(" ").append(std::to_string(value));
  };
  add("accepted", row.accepted.value());
  add("turned away", row.turned_away.value());
  add("refused", row.refused.value());
  add("handshake_rate pauses", row.held_back.value());
  add("handshake_rate refused", row.rate_refused.value());
  for (size_t i = 0; i < client_limits; ++i) {
    const uint64_t count = row.limited[i].value();
    if (count == 0) continue;
    add((std::string("limited by ") + name_of(static_cast<ClientLimit>(i))).c_str(), count);
  }
  add("relayed", row.relayed.value());
  const Traffic up = traffic_from_clients(row, labels);
  const Traffic down = traffic_from_upstreams(row, labels);
  add("client bytes", up.bytes);
  add("client messages", up.messages);
  add("upstream bytes", down.bytes);
  add("upstream messages", down.messages);
  const auto add_pings = [&add](const char* name, const Counter& sent, const Durations& trips) {
    if (sent.value() == 0) return;
    const std::string side = name;
    add(("pings to " + side).c_str(), sent.value());
    const uint64_t answered = trips.count();
    add(("pongs of " + side).c_str(), answered);
    if (answered > 0) add((side + " round trip us").c_str(), trips.sum.value() / answered);
  };
  add_pings("client", row.pings_to_client, row.client_round_trips);
  add_pings("upstream", row.pings_to_upstream, row.upstream_round_trips);
  for (size_t i = 0; i < row.ended.size(); ++i) {
    const uint64_t count = row.ended[i].value();
    if (count > 0)
      add((std::string("ended by ") + name_of(static_cast<EndKind>(i))).c_str(), count);
  }
  return text;
}

}  // namespace sluice
