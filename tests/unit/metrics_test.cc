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
  count_failure(health, PeerFailure::tls);
  count_failure(health, PeerFailure::tls);
  health.draining.store(true);
  health.checks.store(10);
  health.failed_checks.store(4);
  const std::string labels = "upstream=\"up\",peer=\"127.0.0.1:2\",server=\"ws://127.0.0.1:2/x\"";
  CHECK(told.value("sluice_peer_up{" + labels + "}") == "1");
  CHECK(told.value("sluice_peer_sessions_active{" + labels + "}") == "3");
  CHECK(told.value("sluice_peer_failures_total{" + labels + ",reason=\"tls\"}") == "2");
  CHECK(told.value("sluice_peer_failures_total{" + labels + ",reason=\"connect\"}") == "0");
  CHECK(told.value("sluice_peer_draining{" + labels + "}") == "1");
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
    CHECK(std::all_of(name.begin(), name.end(), [](char byte) {
      return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '_';
    }));
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

TEST_CASE("metrics: what came, went on, waits and is lost is told by route and side") {
  Told told;
  TrafficCounters& from = told.route(1, 0).from_client;
  from.passed.add(1'000);
  from.taken.add(500);
  from.own.add(4);
  from.let_go.add(300);
  from.dropped.add(100);
  from.waited_ms.add(1'250);
  from.frames.add_data(FrameCounts::text, 0, 10);   // headers of 6 bytes
  from.frames.add_data(FrameCounts::binary, 2, 1);  // and one of 14
  from.frames.add_control(FrameCounts::ping, 26);
  CHECK(told.value("sluice_received_bytes_total{route=\"/chat\",side=\"client\"}") == "1500");
  CHECK(told.value("sluice_sent_bytes_total{route=\"/chat\",side=\"upstream\"}") == "1300");
  CHECK(told.value("sluice_own_frame_bytes_total{route=\"/chat\",toward=\"upstream\"}") == "4");
  CHECK(told.value("sluice_dropped_bytes_total{route=\"/chat\",toward=\"upstream\"}") == "100");
  CHECK(told.value("sluice_queued_bytes{route=\"/chat\",toward=\"upstream\"}") == "104");
  CHECK(told.value("sluice_backpressure_seconds_total{route=\"/chat\",toward=\"upstream\"}") ==
        "1.25");
  const std::string from_client = "{route=\"/chat\",from=\"client\"";
  CHECK(told.value("sluice_payload_bytes_total" + from_client + "}") == "1400");
  CHECK(told.value("sluice_control_frames_total" + from_client + ",type=\"ping\"}") == "1");
  // A header is counted before the frame's bytes are: less than before is not told.
  from.frames.add_data(FrameCounts::text, 1, 1);
  CHECK(told.value("sluice_payload_bytes_total" + from_client + "}") == "1400");
  told.rows.bury(1);
  CHECK(told.value("sluice_queued_bytes{route=\"/chat\",toward=\"upstream\"}") == "0");
  CHECK(told.value("sluice_dropped_bytes_total{route=\"/chat\",toward=\"upstream\"}") == "204");
}

TEST_CASE("metrics: every connection is accounted for, and a dead worker's are over") {
  Told told;
  WorkerRow& row = told.rows.row(0);
  row.accepted.add(20);
  row.without_session.add(2);
  row.refused.add(3);
  row.failed.add(1);
  row.relayed.add(8);
  row.gone.add(5);
  CHECK(told.value("sluice_connections_active") == "13");
  CHECK(told.value("sluice_connections_in_handshake") == "6");
  told.rows.bury(0);
  CHECK(told.value("sluice_connections_active") == "0");
  CHECK(told.value("sluice_connections_in_handshake") == "0");
  CHECK(told.value("sluice_connections_failed_total") == "7");
}

TEST_CASE("metrics: gauges of workers and processes, which end with them") {
  Told told;
  WorkerRow& row = told.rows.row(1);
  row.busy_permille.set(250);
  row.ring_bytes.set(4'096);
  row.pipes.set(3);
  row.confs.set(2);
  row.turns_us.add(20);
  row.log_lines_lost.add(7);
  for (ProcessGauges* each :
       {&row.process, &told.rows.master().process, &told.rows.keeper().process}) {
    each->cpu_ms.add(1'500);
    each->resident_bytes.set(1'000);
    each->descriptors.set(10);
    each->most_descriptors.set(100);
  }
  CHECK(told.value("sluice_worker_loop_busy_ratio{worker=\"1\"}") == "0.25");
  CHECK(told.value("sluice_ring_bytes") == "4096");
  CHECK(told.value("sluice_pipes_open") == "3");
  CHECK(told.value("sluice_config_generations_active") == "2");
  CHECK(told.value("sluice_worker_loop_lag_seconds_count") == "1");
  CHECK(told.value("sluice_log_lines_dropped_total") == "7");
  CHECK(told.value("process_cpu_seconds_total") == "4.5");
  CHECK(told.value("process_resident_memory_bytes") == "3000");
  CHECK(told.value("process_open_fds") == "30");
  CHECK(told.value("process_max_fds") == "300");
  CHECK(told.value("process_virtual_memory_bytes") == "");  // the system does not tell
  told.rows.bury(1);
  CHECK(told.value("sluice_worker_loop_busy_ratio{worker=\"1\"}") == "0.0");
  CHECK(told.value("sluice_ring_bytes") == "0");
  CHECK(told.value("sluice_config_generations_active") == "1");
  CHECK(told.value("process_resident_memory_bytes") == "2000");
  CHECK(told.value("process_cpu_seconds_total") == "4.5");
  CHECK(told.value("sluice_log_lines_dropped_total") == "7");
}

}  // namespace
}  // namespace sluice
