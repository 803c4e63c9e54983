// Top status: nlohmann reads, and what is missing is nothing.
#include "core/process/top_status.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/observe/json.h"

namespace sluice {

namespace {

const Json& member(const Json& json, const char* name) {
  static const Json nothing;
  if (!json.is_object()) return nothing;
  const auto found = json.find(name);
  return found == json.end() ? nothing : *found;
}

std::string text(const Json& json, const char* name) {
  const Json& found = member(json, name);
  return found.is_string() ? found.get<std::string>() : "";
}

uint64_t number(const Json& json, const char* name) {
  const Json& found = member(json, name);
  return found.is_number_unsigned() ? found.get<uint64_t>() : 0;
}

std::optional<uint64_t> number_if(const Json& json, const char* name) {
  const Json& found = member(json, name);
  if (!found.is_number_unsigned()) return std::nullopt;
  return found.get<uint64_t>();
}

std::optional<double> fraction_if(const Json& json, const char* name) {
  const Json& found = member(json, name);
  if (!found.is_number()) return std::nullopt;
  return std::clamp(found.get<double>(), 0.0, 1.0);
}

bool truth(const Json& json, const char* name) {
  const Json& found = member(json, name);
  return found.is_boolean() && found.get<bool>();
}

// The elements of a list; none where it is no list.
template <class Visit>
void each(const Json& json, const char* name, Visit visit) {
  const Json& found = member(json, name);
  if (!found.is_array()) return;
  for (const Json& element : found) visit(element);
}

uint64_t both_ways(const Json& json, const char* name) {
  return number(member(json, "from_client"), name) + number(member(json, "from_upstream"), name);
}

std::vector<TopCount> counts(const Json& json) {
  std::vector<TopCount> all;
  if (!json.is_object()) return all;
  for (const auto& [name, count] : json.items()) {
    if (count.is_number_unsigned()) all.push_back({name, count.get<uint64_t>()});
  }
  return all;
}

TopRoute route_of(const Json& json) {
  TopRoute route;
  route.name = text(json, "route");
  route.upstream = text(json, "upstream");
  route.sessions = number(json, "sessions");
  route.handshakes = number(json, "handshakes");
  route.messages = both_ways(json, "messages");
  route.bytes = both_ways(json, "bytes");
  for (const TopCount& refused : counts(member(json, "refused"))) route.refused += refused.count;
  return route;
}

TopPeer peer_of(const Json& json, const std::string& upstream) {
  TopPeer peer;
  peer.upstream = upstream;
  peer.name = text(json, "name");
  peer.state = text(json, "state");
  peer.reason = text(json, "latest_failure");
  peer.check = text(member(json, "check"), "state");
  peer.sessions = number(json, "sessions");
  peer.failures = number(json, "failures");
  peer.since_s = number_if(json, "since_s");
  return peer;
}

void read_certificates(const Json& json, TopStatus& status) {
  each(json, "certificates", [&status](const Json& certificate) {
    const Json& days = member(certificate, "days_left");
    if (!days.is_number_integer()) return;
    // An unsigned number beyond int64_t is a date that never comes.
    const int64_t left =
        days.is_number_unsigned() && days.get<uint64_t>() > std::numeric_limits<int64_t>::max()
            ? std::numeric_limits<int64_t>::max()
            : days.get<int64_t>();
    if (status.certificate_days && *status.certificate_days <= left) return;
    status.certificate_days = left;
    status.certificate = text(certificate, "what");
  });
}

}  // namespace

std::optional<TopStatus> read_top_status(std::string_view json_text) {
  const Json json = Json::parse(json_text, nullptr, false);
  if (!member(json, "totals").is_object()) return std::nullopt;
  const Json& totals = member(json, "totals");
  TopStatus status;
  status.version = text(json, "version");
  status.conf = text(json, "conf");
  status.generation = number(json, "generation");
  status.uptime_s = number(json, "uptime_s");
  status.now_ms = number(json, "now_ms");
  status.ending = truth(json, "ending");
  status.latest_reload_bad = truth(member(json, "reloads"), "latest_bad");
  status.sessions = number(totals, "sessions");
  status.accepted = number(totals, "accepted");
  status.handshakes = number(totals, "handshakes");
  status.messages = number(totals, "messages");
  status.bytes = number(totals, "bytes");
  status.refused = counts(member(json, "refused"));
  each(json, "routes", [&](const Json& route) { status.routes.push_back(route_of(route)); });
  each(json, "upstreams", [&](const Json& upstream) {
    const std::string name = text(upstream, "name");
    each(upstream, "peers", [&](const Json& peer) { status.peers.push_back(peer_of(peer, name)); });
  });
  each(json, "workers", [&](const Json& worker) {
    ++status.workers;
    if (number(worker, "pid") == 0) ++status.workers_missing;
    if (const std::optional<double> busy = fraction_if(worker, "busy")) {
      status.loads.push_back({number(worker, "number"), *busy});
    }
  });
  read_certificates(json, status);
  return status;
}

std::optional<TopSession> read_top_session(std::string_view line) {
  const Json json = Json::parse(line, nullptr, false);
  TopSession session;
  session.id = text(json, "id");
  if (session.id.empty()) return std::nullopt;
  session.client = text(json, "client");
  session.route = text(json, "route");
  session.peer = text(json, "peer");
  session.messages = both_ways(json, "messages");
  session.bytes = both_ways(json, "bytes");
  session.queued = both_ways(json, "queued");
  session.age_ms = number(json, "age_ms");
  session.idle_ms = number(json, "idle_ms");
  return session;
}

}  // namespace sluice
