// The board's numbers are read while workers write them: each is true, if not all of one instant.
#include "core/process/peer_status.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/peers/peer_health.h"

namespace sluice {

namespace {

const char* name_of(Balance balance) {
  switch (balance) {
    case Balance::round_robin:
      return "round_robin";
    case Balance::least_conn:
      return "least_conn";
    case Balance::random_two:
      return "random_two";
    case Balance::hash:
      break;
  }
  return "hash";
}

const char* name_of(PeerFault fault) {
  switch (fault) {
    case PeerFault::none:
      return "";
    case PeerFault::error:
      return "error";
    case PeerFault::timeout:
      return "timeout";
    case PeerFault::invalid_answer:
      return "invalid_answer";
    case PeerFault::status:
      break;
  }
  return "status";
}

const char* name_of(PeerCheck check) {
  switch (check) {
    case PeerCheck::none:
      return "pending";
    case PeerCheck::up:
      return "up";
    case PeerCheck::down:
      break;
  }
  return "down";
}

Json check_status(const PeerHealth& health) {
  Json status = {{"state", name_of(health.check.load())},
                 {"made", health.checks.load()},
                 {"failed", health.failed_checks.load()}};
  const PeerFault latest = health.latest_check.load();
  if (latest != PeerFault::none) status["latest_failure"] = name_of(latest);
  return status;
}

// A peer that is due gets one session: for who asks, it is still out.
Json peer_status(const PeerConfig& peer, bool checked, PeerBoard& board, uint64_t now_ms) {
  const PeerHealth& health = board.health(peer.id);
  const bool up = standing_of(health, now_ms) == Standing::up;
  Json status = {{"name", peer.name},
                 {"server", text_of(peer.uri)},
                 {"state", up ? "up" : "out"},
                 {"sessions", board.active(peer.id)},
                 {"weight", peer.weight},
                 {"backup", peer.tier > 0},
                 {"failures", health.failed.load()},
                 {"times_out", health.outs.load()}};
  if (peer.max_connections > 0) status["max_connections"] = peer.max_connections;
  const uint64_t since_ms = health.since_ms.load();
  if (since_ms > 0) status["since_s"] = (now_ms - std::min(now_ms, since_ms)) / 1000;
  const uint64_t until_ms = health.out_until_ms.load();
  const PeerCheck check = health.check.load();
  if (!up && check != PeerCheck::down)
    status["tried_again_in_s"] = (std::max(now_ms, until_ms) - now_ms + 999) / 1000;
  const PeerFault latest = health.latest.load();
  if (latest != PeerFault::none) status["latest_failure"] = name_of(latest);
  if (checked) status["check"] = check_status(health);
  return status;
}

}  // namespace

Json upstreams_status(std::span<const UpstreamConfig> upstreams, const Members& members,
                      PeerBoard& board, uint64_t now_ms) {
  Json all = Json::array();
  size_t room = most_peers_shown;
  for (const UpstreamConfig& upstream : upstreams) {
    const std::vector<PeerConfig> all_peers = peers_now(upstream, members);
    const size_t shown = std::min(room, all_peers.size());
    room -= shown;
    const bool checked = upstream.check.kind != CheckSettings::Kind::off;
    Json peers = Json::array();
    for (size_t i = 0; i < shown; ++i) {
      peers.push_back(peer_status(all_peers[i], checked, board, now_ms));
    }
    Json one = {{"name", upstream.name},
                {"balance", name_of(upstream.balance)},
                {"peers", std::move(peers)}};
    if (shown < all_peers.size()) one["peers_not_shown"] = all_peers.size() - shown;
    for (const NamedServer& named : upstream.named) {
      const bool led = std::any_of(
          all_peers.begin(), all_peers.end(),
          [&named](const PeerConfig& peer) { return peer.server == named.like.server; });
      if (!led) one["without_address"].push_back(text_of(named.like.uri));
    }
    all.push_back(std::move(one));
  }
  return all;
}

}  // namespace sluice
