// ClientSeats: what one client's session counts as, by limit_connections of its route. Whatever
// becomes of the session, each count is taken back once.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "core/config.h"
#include "core/observe/counters.h"
#include "core/session/client_limits.h"

namespace sluice {

// As bits, which is all that a session keeps: the keys follow from its client, listener and route.
using CountedAs = uint8_t;
inline constexpr CountedAs counted_at_listener = 1;
inline constexpr CountedAs counted_as_client = 2;
inline constexpr CountedAs counted_on_route = 4;

// Of a connection, at its listener. Nothing: it is counted; client's of unix sockets are not, and
// `counted` stays false.
inline std::optional<ClientLimit> enter_listener(ClientLimits& limits, const ClientAddress& client,
                                                 const ListenConfig& listener, bool& counted) {
  const std::optional<ClientKey> key = limits.keys().at_listener(client, listener.id);
  if (!key) return std::nullopt;
  switch (limits.counts().enter(*key, listener.most_per_client)) {
    case ClientCounts::Outcome::entered:
      counted = true;
      return std::nullopt;
    case ClientCounts::Outcome::over:
      return ClientLimit::listener_connections;
    case ClientCounts::Outcome::full:
      break;
  }
  return ClientLimit::table;
}

// Takes back what those bits say, of that client on that route; null where no bit is the route's.
inline void leave_counts(ClientLimits& limits, CountedAs counted, const ClientAddress& client,
                         const ListenConfig& listener, const RouteConfig* route) {
  ClientCounts& counts = limits.counts();
  if (counted & counted_at_listener) counts.leave(*limits.keys().at_listener(client, listener.id));
  if (counted & counted_as_client) counts.leave(*limits.keys().on_route(client, route->id));
  if (counted & counted_on_route) counts.leave(limits.keys().route(route->id));
}

// The seats of a session that does not relay yet.
class ClientSeats {
 public:
  ClientSeats() = default;
  ClientSeats(const ClientSeats&) = delete;
  ClientSeats& operator=(const ClientSeats&) = delete;
  ~ClientSeats() { leave(); }

  // Once. All outlive this. The limit that stands against it, or nothing: it has its seats.
  std::optional<ClientLimit> take(ClientLimits& limits, const ClientAddress& client,
                                  const RouteConfig& route) {
    limits_ = &limits;
    const ConnectionLimits& most = route.limit_connections;
    if (most.per_client != 0) {
      client_ = limits.keys().on_route(client, route.id);
      if (const auto refused = enter(client_, most.per_client, ClientLimit::connections)) {
        return refused;
      }
    }
    if (most.per_route == 0) return std::nullopt;
    route_ = limits.keys().route(route.id);
    return enter(route_, most.per_route, ClientLimit::route_connections);
  }

  void leave() {
    for (std::optional<ClientKey>* each : {&client_, &route_}) {
      if (*each) limits_->counts().leave(**each);
      each->reset();
    }
  }

  // What whoever asks has to take back from then on.
  CountedAs hand_over() {
    const bool client = std::exchange(client_, std::nullopt).has_value();
    const bool route = std::exchange(route_, std::nullopt).has_value();
    return static_cast<CountedAs>((client ? counted_as_client : 0) |
                                  (route ? counted_on_route : 0));
  }

 private:
  // A key that did not enter is forgotten.
  std::optional<ClientLimit> enter(std::optional<ClientKey>& key, uint32_t most,
                                   ClientLimit limit) {
    if (!key) return std::nullopt;
    const ClientKey wanted = *std::exchange(key, std::nullopt);
    const ClientCounts::Outcome outcome = limits_->counts().enter(wanted, most);
    if (outcome == ClientCounts::Outcome::full) return ClientLimit::table;
    if (outcome == ClientCounts::Outcome::over) return limit;
    key = wanted;
    return std::nullopt;
  }

  ClientLimits* limits_ = nullptr;
  std::optional<ClientKey> client_;  // nothing: not counted
  std::optional<ClientKey> route_;
};

}  // namespace sluice
