// What status shows of a peer as it goes out and comes back.
#include "core/process/peer_status.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "core/peers/peer_health.h"

using namespace sluice;

TEST_CASE("peer status: up, out with what made it so, and back") {
  UpstreamConfig upstream;
  upstream.name = "chat";
  upstream.balance = Balance::least_conn;
  PeerConfig& peer = upstream.peers.emplace_back();
  peer.name = "10.0.0.1:9001";
  peer.uri = parse_server_uri("wss://app.example.org:9001/x").value();
  peer.max_connections = 50;
  PeerBoard board;
  board.own_row(peer.id).active = 7;
  const auto shown = [&](uint64_t now_ms) {
    return upstreams_status({&upstream, 1}, {}, board, now_ms)[0]["peers"][0];
  };
  const Json all = upstreams_status({&upstream, 1}, {}, board, 1'000)[0];
  CHECK(all["name"] == "chat");
  CHECK(all["balance"] == "least_conn");
  Json one = shown(1'000);
  CHECK(one["name"] == "10.0.0.1:9001");
  CHECK(one["server"] == "wss://app.example.org:9001/x");
  CHECK(one["state"] == "up");
  CHECK(one["sessions"] == 7);
  CHECK(one["max_connections"] == 50);
  CHECK_FALSE(one.contains("since_s"));
  CHECK_FALSE(one.contains("latest_failure"));

  for (int i = 0; i < 3; ++i) {
    note_failure(board, peer.id, PeerFault::timeout, {.first_fail_timeout_ms = 10'000}, 5'000);
  }
  one = shown(7'500);
  CHECK(one["state"] == "out");
  CHECK(one["since_s"] == 2);
  CHECK(one["tried_again_in_s"] == 8);
  CHECK(one["latest_failure"] == "timeout");
  CHECK(one["failures"] == 3);
  CHECK(shown(20'000)["tried_again_in_s"] == 0);
  note_success(board.health(peer.id), 21'000);
  one = shown(25'000);
  CHECK(one["state"] == "up");
  CHECK(one["since_s"] == 4);
  CHECK(one["times_out"] == 1);
}

TEST_CASE("peer status: beyond so many peers only their number is told") {
  std::vector<UpstreamConfig> upstreams(3);
  for (size_t i = 0; i < upstreams.size(); ++i) upstreams[i].peers.resize(most_peers_shown / 2 + 1);
  PeerBoard board;
  const Json all = upstreams_status(upstreams, {}, board, 0);
  CHECK(all[0]["peers"].size() == most_peers_shown / 2 + 1);
  CHECK_FALSE(all[0].contains("peers_not_shown"));
  CHECK(all[1]["peers"].size() == most_peers_shown / 2 - 1);
  CHECK(all[1]["peers_not_shown"] == 2);
  CHECK(all[2]["peers"].empty());
  CHECK(all[2]["peers_not_shown"] == most_peers_shown / 2 + 1);
}

TEST_CASE("peer status: what checks found, where there are any") {
  UpstreamConfig upstream;
  const PeerConfig& peer = upstream.peers.emplace_back();
  PeerBoard board;
  PeerHealth& health = board.health(peer.id);
  const auto shown = [&](uint64_t now_ms) {
    return upstreams_status({&upstream, 1}, {}, board, now_ms)[0]["peers"][0];
  };
  CHECK_FALSE(shown(1'000).contains("check"));
  upstream.check.kind = CheckSettings::Kind::tcp;
  Json one = shown(1'000);
  CHECK(one["state"] == "up");
  CHECK(one["check"] == Json({{"state", "pending"}, {"made", 0}, {"failed", 0}}));
  health.checks = 7;
  health.failed_checks = 2;
  health.latest_check = PeerFault::status;
  put_out_by_check(health, 5'000);
  one = shown(9'000);
  CHECK(one["state"] == "out");
  CHECK(one["since_s"] == 4);
  CHECK_FALSE(one.contains("tried_again_in_s"));  // nobody knows
  CHECK(one["check"] ==
        Json({{"state", "down"}, {"made", 7}, {"failed", 2}, {"latest_failure", "status"}}));
  bring_back_by_check(health, 10'000);
  CHECK(shown(12'000)["state"] == "up");
  CHECK(shown(12'000)["check"]["state"] == "up");
}
