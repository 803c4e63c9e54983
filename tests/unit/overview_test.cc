// Overview: what is told of all processes together, under which names.
#include "core/process/overview.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/process/peer_memory.h"
#include "tests/unit/worker_testing.h"

namespace sluice {
namespace {

class Shown {
 public:
  explicit Shown(const std::string& conf) : config(testing::config_of(conf)) {
    REQUIRE(rows.open(3).ok());
    REQUIRE(peers.open(2).ok());
    rows.note_worker(1);
    for (uint32_t worker = 0; worker < 2; ++worker) {
      rows.row(worker).routes.set(LabelRows::first_route + 2);
    }
  }

  RouteRow& route(uint32_t worker, uint32_t id) {
    return rows.labels(worker).route(static_cast<RouteId>(id));
  }
  Json tell(uint64_t wall_clock_s = 1'000'000) {
    const MetricsSources sources{.rows = rows,
                                 .peers = peers.memory(),
                                 .config = *config,
                                 .members = members,
                                 .routes = routes,
                                 .listeners = listeners,
                                 .now_ms = 65'000};
    return overview(sources, totals_of(rows), wall_clock_s);
  }

  CounterRows rows;
  PeerMemory peers;
  Members members;
  std::unique_ptr<Config> config;
  std::vector<std::string> routes{"/chat", "/gone"};
  std::vector<std::string> listeners{"127.0.0.1:1"};
};

constexpr const char* chat =
    "listen 127.0.0.1:1\nupstream up\nserver ws://127.0.0.1:2\nroute /chat\nproxy_pass up\n";

TEST_CASE("overview: totals and routes are sums over workers, the lost ones among the closed") {
  Shown shown(chat);
  for (uint32_t worker = 0; worker < 2; ++worker) {
    RouteRow& row = shown.route(worker, 0);
    row.opened.add(5);
    row.lost.add(1);
    row.closed[0][static_cast<size_t>(EndKind::peer_close)].add(2);
    row.from_client.frames.add_data(FrameCounts::text, 0, 10);
    row.from_client.passed.add(100);
    row.from_upstream.frames.add_data(FrameCounts::binary, 1, 1);
    row.from_upstream.passed.add(50);
    row.answered[answer_place(502)].add(3);
    row.answered[answer_place(301)].add(1);
    shown.rows.row(worker).accepted.add(20);
  }
  const Json status = shown.tell();
  CHECK(status["totals"] == Json({{"sessions", 4},
                                  {"accepted", 40},
                                  {"handshakes", 18},
                                  {"opened", 10},
                                  {"closed", 6},
                                  {"messages", 22},
                                  {"bytes", 300}}));
  CHECK(status["refused"] == Json({{"502", 6}}));
  REQUIRE(status["routes"].size() == 1);
  const Json& route = status["routes"][0];
  CHECK(route["route"] == "/chat");
  CHECK(route["upstream"] == "up");
  CHECK(route["sessions"] == 4);
  CHECK(route["handshakes"] == 18);
  CHECK(route["from_client"] == Json({{"bytes", 200}, {"messages", 20}}));
  CHECK(route["from_upstream"] == Json({{"bytes", 100}, {"messages", 2}}));
  CHECK(route["refused"] == Json({{"502", 6}}));
}

TEST_CASE("overview: a route that the conf no longer has stays while it has sessions") {
  Shown shown(chat);
  shown.route(1, 1).opened.add(2);
  Json routes = shown.tell()["routes"];
  REQUIRE(routes.size() == 2);
  CHECK(routes[1]["route"] == "/gone");
  CHECK(routes[1]["gone"] == true);
  CHECK_FALSE(routes[1].contains("upstream"));
  shown.route(1, 1).closed[1][static_cast<size_t>(EndKind::no_close)].add(2);
  CHECK(shown.tell()["routes"].size() == 1);
}

TEST_CASE(
    "overview: handshakes without a route, and routes without a row, have a place of theirs") {
  Shown shown(chat);
  shown.rows.labels(0).routes[LabelRows::no_route].answered[answer_place(404)].add(7);
  shown.rows.labels(0).routes[LabelRows::no_route].answered[answer_place(0)].add(1);
  shown.rows.labels(1).routes[LabelRows::other].opened.add(1);
  const Json routes = shown.tell()["routes"];
  REQUIRE(routes.size() == 3);
  CHECK(routes[1]["route"] == "_other");
  CHECK(routes[2]["route"] == "_none");
  CHECK(routes[2]["refused"] == Json({{"none", 1}, {"404", 7}}));
}

TEST_CASE("overview: listeners with what they turned away, beyond the named ones together") {
  Shown shown(chat);
  ListenerRow& row = shown.rows.labels(1).listener(ListenerId{0});
  row.accepted.add(4);
  row.turned_away[static_cast<size_t>(TurnedAway::rate)].add(3);
  Json status = shown.tell();
  CHECK(status["listeners"] == Json::array({Json({{"address", "127.0.0.1:1"},
                                                  {"accepted", 4},
                                                  {"refused", {{"handshake_rate", 3}}},
                                                  {"tls", false}})}));
  CHECK(status["refused"] == Json({{"handshake_rate", 3}}));
  shown.config->listeners[0].id = static_cast<ListenerId>(CounterRows::most_listeners + 5);
  status = shown.tell();
  REQUIRE(status["listeners"].size() == 1);
  CHECK(status["listeners"][0]["address"] == "_other");
}

TEST_CASE(
    "overview: days that certificates have left are whole ones, and negative behind the end") {
  Shown shown(chat);
  constexpr int64_t now_s = 1'000'000;
  for (const int64_t left_s : {86'400 * 3 + 5, 86'399, 0, -1, -86'400, -86'401}) {
    shown.config->certificate_ends.push_back({"a certificate", now_s + left_s});
  }
  std::vector<int> days;
  const Json status = shown.tell(now_s);
  for (const Json& each : status["certificates"]) days.push_back(each["days_left"]);
  CHECK(days == std::vector<int>{3, 0, 0, -1, -1, -2});
  CHECK(status["certificates"][0]["not_after_s"] == now_s + 86'400 * 3 + 5);
}

TEST_CASE("overview: which conf is in force since when, and how the latest reload went") {
  Shown shown(chat);
  MasterRow& master = shown.rows.master();
  master.started_ms.set(5'000);
  master.started_s.set(111);
  master.generation.set(4);
  master.reloads.add(3);
  master.failed_reloads.add(2);
  master.last_reload_failed.set(1);
  master.last_reload_s.set(222);
  const Json status = shown.tell();
  CHECK(status["uptime_s"] == 60);
  CHECK(status["started_s"] == 111);
  CHECK(status["generation"] == 4);
  CHECK(status["loaded_s"] == 222);
  CHECK(status["reloads"] == Json({{"good", 3}, {"bad", 2}, {"latest_bad", true}}));
}

TEST_CASE("overview: workers with their rows and how often others took their places") {
  Shown shown(chat);
  shown.rows.row(1).pid.set(77);
  shown.rows.row(1).starts.add(3);
  shown.rows.row(1).busy_permille.set(250);
  const Json workers = shown.tell()["workers"];
  REQUIRE(workers.size() == 2);
  CHECK(workers[0]["restarts"] == 0);
  CHECK(workers[0]["busy"] == 0);
  CHECK(workers[1]["pid"] == 77);
  CHECK(workers[1]["busy"] == 0.25);
  CHECK(workers[1]["restarts"] == 2);
}

}  // namespace
}  // namespace sluice
