// Metrics: sums over workers, what a route without a name is, and that nothing stands twice.
#include "core/process/metrics.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "core/peers/peer_health.h"
#include "core/process/peer_memory.h"
#include "tests/unit/worker_testing.h"

namespace sluice {
namespace {

class Told {
 public:
  explicit Told(uint32_t workers = 2)
      : config(testing::config_of("listen 127.0.0.1:1\nupstream up\nserver ws://127.0.0.1:2/x\n"
                                  "health_check tcp\nroute /chat\nproxy_pass up\n"
                                  "route /\nproxy_pass ws://127.0.0.1:3\n")) {
    REQUIRE(rows.open(workers).ok());
    REQUIRE(peers.open(workers).ok());
    for (uint32_t i = 0; i < workers; ++i) {
      rows.note_worker(i);
      peers.note_worker(i);
      rows.row(i).routes.set(LabelRows::first_route + routes.size());
    }
  }

  std::string text(MetricsFormat format = MetricsFormat::prometheus) {
    const MetricsSources sources{.rows = rows,
                                 .peers = peers.memory(),
                                 .config = *config,
                                 .members = {},
                                 .routes = routes,
                                 .listeners = listeners,
                                 .now_ms = 1'000'000,
                                 .names = {.ok = 7, .none = 1, .failed = 2, .timed_out = 3}};
    return metrics_text(sources, format);
  }
  // The value of that sample; "" where there is none.
  std::string value(const std::string& sample) {
    const std::string all = "\n" + text();
    const size_t at = all.find("\n" + sample + " ");
    if (at == std::string::npos) return "";
    const size_t begin = at + sample.size() + 2;
    return all.substr(begin, all.find('\n', begin) - begin);
  }
  RouteRow& route(uint32_t worker, uint32_t id) { return rows.labels(worker).route(RouteId{id}); }

  CounterRows rows;
  PeerMemory peers;
  std::unique_ptr<Config> config;
  std::vector<std::string> routes{"/chat", "/"};
  std::vector<std::string> listeners{"127.0.0.1:1"};
};

constexpr auto close_kind = static_cast<size_t>(EndKind::peer_close);

TEST_CASE("metrics: a route's numbers are the sums over all workers") {
  Told told;
  for (uint32_t worker = 0; worker < 2; ++worker) {
    RouteRow& row = told.route(worker, 0);
    row.opened.add(5);
    row.closed[1][close_kind].add(1 + worker);
    row.closed[0][static_cast<size_t>(EndKind::shutdown)].add(1);
    row.from_client.frames.add_data(FrameCounts::text, 0, 9);
    row.from_client.frames.add_data(FrameCounts::binary, 2, 1);
    row.from_upstream.passed.add(100);
    row.answered[answer_place(404)].add(3);
    row.close_codes[1][close_place(1000)].add(4);
  }
  CHECK(told.value("sluice_sessions_opened_total{route=\"/chat\"}") == "10");
  CHECK(told.value("sluice_sessions_active{route=\"/chat\"}") == "5");
  CHECK(told.value("sluice_sessions_closed_total{route=\"/chat\",by=\"client\","
                   "reason=\"peer_close\"}") == "3");
  CHECK(told.value("sluice_sessions_closed_total{route=\"/chat\",by=\"proxy\","
                   "reason=\"shutdown\"}") == "2");
  CHECK(told.value("sluice_handshakes_total{route=\"/chat\",code=\"101\"}") == "10");
  CHECK(told.value("sluice_handshakes_total{route=\"/chat\",code=\"404\"}") == "6");
  CHECK(told.value("sluice_messages_total{route=\"/chat\",from=\"client\",type=\"text\"}") == "18");
  CHECK(told.value("sluice_messages_total{route=\"/chat\",from=\"client\",type=\"binary\"}") ==
        "2");
  CHECK(told.value("sluice_received_bytes_total{route=\"/chat\",side=\"upstream\"}") == "200");
  CHECK(told.value("sluice_close_frames_total{route=\"/chat\",from=\"upstream\","
                   "code=\"1000\"}") == "8");
  CHECK(told.value("sluice_sessions_opened_total{route=\"/\"}") == "0");
  CHECK(told.value("sluice_worker_sessions_active{worker=\"0\"}") == "3");
}

TEST_CASE("metrics: sessions of a dead worker are closed, and counters stay as they were") {
  Told told;
  told.route(1, 0).opened.add(7);
  told.rows.row(1).pid.set(4711);
  told.rows.row(1).starts.add(1);
  CHECK(told.value("sluice_worker_accepting{worker=\"1\"}") == "1");
  told.rows.bury(1);
  told.rows.row(1).starts.add(1);
  CHECK(told.value("sluice_sessions_active{route=\"/chat\"}") == "0");
  CHECK(told.value("sluice_sessions_opened_total{route=\"/chat\"}") == "7");
  CHECK(told.value("sluice_sessions_closed_total{route=\"/chat\",by=\"proxy\","
                   "reason=\"worker_died\"}") == "7");
  CHECK(told.value("sluice_worker_accepting{worker=\"1\"}") == "0");
  CHECK(told.value("sluice_worker_restarts_total{worker=\"1\"}") == "1");
}

TEST_CASE("metrics: routes without a row, handshakes without a route, routes not named yet") {
  Told told;
  told.rows.labels(0).route(RouteId{CounterRows::most_routes}).opened.add(2);
  told.rows.labels(0).routes[LabelRows::no_route].answered[answer_place(400)].add(9);
  CHECK(told.value("sluice_sessions_opened_total{route=\"_other\"}") == "2");
  CHECK(told.value("sluice_handshakes_total{route=\"_none\",code=\"400\"}") == "9");
  CHECK(told.value("sluice_sessions_opened_total{route=\"_none\"}") == "");
  told.rows.row(0).routes.set(LabelRows::first_route + 3);
  told.route(0, 2).opened.add(1);  // of a conf that this process has not got yet
  CHECK(told.value("sluice_sessions_opened_total{route=\"_other\"}") == "2");
}

TEST_CASE("metrics: listeners beyond those that have a row are one") {
  Told told;
  told.rows.labels(0).listener(ListenerId{0}).accepted.add(1);
  told.rows.labels(1).listener(ListenerId{0}).accepted.add(2);
  told.rows.labels(1).listener(ListenerId{4'000}).accepted.add(5);
  told.rows.labels(1).listener(ListenerId{4'000}).turned_away[2].add(4);
  CHECK(told.value("sluice_connections_accepted_total{listener=\"127.0.0.1:1\"}") == "3");
  CHECK(told.value("sluice_connections_accepted_total{listener=\"_other\"}") == "5");
  CHECK(told.value("sluice_connections_refused_total{listener=\"_other\","
                   "reason=\"handshake_rate\"}") == "4");
}

TEST_CASE("metrics: peers are told with their health") {
  Told told;
  const PeerConfig& peer = told.config->upstream(UpstreamId{0}).peers[0];
  PeerBoard board(told.peers.memory(), 1);
  PeerHealth& health = board.health(peer.id);
  board.own_row(peer.id).active.store(3);
  health.failed.store(2);
  health.checks.store(10);
  health.failed_checks.store(4);
  const std::string labels = "upstream=\"up\",peer=\"127.0.0.1:2\",server=\"ws://127.0.0.1:2/x\"";
  CHECK(told.value("sluice_peer_up{" + labels + "}") == "1");
  CHECK(told.value("sluice_peer_sessions_active{" + labels + "}") == "3");
  CHECK(told.value("sluice_peer_failures_total{" + labels + "}") == "2");
  CHECK(told.value("sluice_peer_health_checks_total{" + labels + ",result=\"passed\"}") == "6");
  CHECK(told.value("sluice_peer_health_checks_total{" + labels + ",result=\"failed\"}") == "4");
  put_out_by_check(health, 999'999);
  CHECK(told.value("sluice_peer_up{" + labels + "}") == "0");
}

TEST_CASE("metrics: no sample and no family stands twice, and counters end in _total") {
  Told told(3);
  for (uint32_t worker = 0; worker < 3; ++worker) {
    for (RouteRow& row : told.rows.labels(worker).routes.first(4)) {
      for (auto& of_party : row.closed) {
        for (Counter& each : of_party) each.add(1);
      }
      for (Counter& each : row.answered) each.add(1);
      for (auto& of_side : row.close_codes) {
        for (Counter& each : of_side) each.add(1);
      }
      row.opened.add(1'000);
    }
  }
  std::istringstream lines(told.text());
  std::set<std::string> seen;
  std::string type;
  for (std::string line; std::getline(lines, line);) {
    CAPTURE(line);
    const bool comment = line.starts_with("# ");
    CHECK(seen.insert(comment ? line : line.substr(0, line.rfind(' '))).second);
    if (line.starts_with("# TYPE ")) type = line.substr(line.rfind(' ') + 1);
    if (comment) continue;
    const std::string name = line.substr(0, line.find_first_of("{ "));
    CHECK(name.ends_with("_total") == (type == "counter"));
    CHECK(std::all_of(name.begin(), name.end(),
                      [](char byte) { return (byte >= 'a' && byte <= 'z') || byte == '_'; }));
  }
  CHECK(seen.size() > 200);
  CHECK(told.text(MetricsFormat::openmetrics).ends_with("\n# EOF\n"));
}

TEST_CASE("metrics: what came of asking for names") {
  Told told;
  CHECK(told.value("sluice_dns_queries_total{result=\"found\"}") == "7");
  CHECK(told.value("sluice_dns_queries_total{result=\"none\"}") == "1");
  CHECK(told.value("sluice_dns_queries_total{result=\"failed\"}") == "2");
  CHECK(told.value("sluice_dns_queries_total{result=\"timeout\"}") == "3");
}

}  // namespace
}  // namespace sluice
