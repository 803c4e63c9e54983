// KeeperPages: when sluice is well and ready, and what it says of itself.
#include "core/process/admin_pages.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/observe/json.h"
#include "core/peers/peer_health.h"
#include "core/process/peer_memory.h"
#include "tests/unit/worker_testing.h"

namespace sluice {
namespace {

class Told {
 public:
  Told()
      : config(testing::config_of("ready_requires up\nlisten 127.0.0.1:1\n"
                                  "upstream up\nserver ws://127.0.0.1:2\nserver ws://127.0.0.1:3\n"
                                  "route /chat\nproxy_pass up\n")) {
    REQUIRE(rows.open(2).ok());
    REQUIRE(peers.open(2).ok());
    rows.note_worker(1);
    pages.emplace(&rows, peers.memory(), std::vector<std::string>(), std::vector<std::string>());
    pages->use(*config, Members());
  }

  std::string why_unready(AdminPage page = AdminPage::ready) {
    const AdminAnswer answer = pages->answer({.page = page});
    CHECK(answer.status == (answer.body == "ok\n" ? 200 : 503));
    return answer.body;
  }
  PeerHealth& health(uint32_t peer) { return peers.memory().health[peer]; }

  CounterRows rows;
  PeerMemory peers;
  std::unique_ptr<Config> config;
  std::optional<KeeperPages> pages;  // once the memory is there
};

TEST_CASE("admin pages: sluice is well while a worker accepts") {
  Told told;
  CHECK(told.why_unready(AdminPage::health) == "no worker accepts clients\n");
  CHECK(told.why_unready() == "no worker accepts clients\n");
  told.rows.row(1).pid.set(7);
  CHECK(told.why_unready(AdminPage::health) == "ok\n");
  CHECK(told.why_unready() == "ok\n");
  told.rows.bury(1);
  CHECK(told.why_unready(AdminPage::health) == "no worker accepts clients\n");
}

TEST_CASE("admin pages: it is not ready while it ends, or while all peers of an upstream are out") {
  Told told;
  told.rows.row(0).pid.set(7);
  put_out_by_check(told.health(0), 1);
  CHECK(told.why_unready() == "ok\n");
  put_out_by_check(told.health(1), 1);
  CHECK(told.why_unready() == "upstream up has no peer that is up\n");
  CHECK(told.why_unready(AdminPage::health) == "ok\n");
  bring_back_by_check(told.health(1), 2);
  CHECK(told.why_unready() == "ok\n");
  told.health(0).out_until_ms.store(1);  // its time out is over: the next session tries it
  told.rows.master().ending.set(1);
  CHECK(told.why_unready() == "sluice ends\n");
}

TEST_CASE("admin pages: status as JSON, a line") {
  Told told;
  told.rows.master().generation.set(3);
  told.rows.row(0).routes.set(LabelRows::first_route + 1);
  RouteRow& route = told.rows.labels(0).route(RouteId{0});
  told.rows.row(0).relayed.add(5);
  route.lost.add(2);
  const AdminAnswer answer = told.pages->answer({.page = AdminPage::status});
  CHECK(answer.content_type == "application/json");
  CHECK(answer.body.find('\n') == answer.body.size() - 1);
  const Json status = Json::parse(answer.body);
  CHECK(status["generation"] == 3);
  CHECK(status["ending"] == false);
  REQUIRE(status["workers"].size() == 2);
  CHECK(status["workers"][0]["sessions"] == 3);
  CHECK(status["workers"][0]["lost"] == 2);
  CHECK(status["upstreams"][0]["peers"].size() == 2);
}

TEST_CASE("admin pages: metrics name what the conf names, in the format that was asked for") {
  Told told;
  told.rows.row(0).routes.set(LabelRows::first_route + 1);
  const AdminAnswer answer =
      told.pages->answer({.page = AdminPage::metrics, .format = MetricsFormat::openmetrics});
  CHECK(answer.content_type == content_type_of(MetricsFormat::openmetrics));
  CHECK(answer.body.find("sluice_sessions_opened_total{route=\"/chat\"} 0\n") != std::string::npos);
  CHECK(answer.body.find("{listener=\"127.0.0.1:1\"} 0\n") != std::string::npos);
  CHECK(answer.body.ends_with("# EOF\n"));
}

// The JSON behind "data: " in the n-th event of a text.
Json data_of(const std::string& events, size_t number) {
  size_t at = 0;
  for (size_t i = 0; i <= number; ++i) at = events.find("data: ", at) + 6;
  return Json::parse(events.substr(at, events.find('\n', at) - at));
}

TEST_CASE("admin pages: events tell the minutes before, then what /status.json says") {
  Told told;
  told.rows.row(0).routes.set(LabelRows::first_route + 1);
  RouteRow& route = told.rows.labels(0).route(RouteId{0});
  route.answered[answer_place(404)].add(2);
  told.pages->note_moment();
  route.from_client.frames.add_data(FrameCounts::text, 0, 5);
  route.answered[answer_place(404)].add(3);
  told.pages->note_moment();
  const std::string first = told.pages->first_event();
  CHECK(first.starts_with("retry: 1000\nevent: history\ndata: [["));
  CHECK(first.ends_with("]]\n\n"));
  const Json points = data_of(first, 0);
  REQUIRE(points.size() == 2);
  CHECK(points[0][3] == 0);
  CHECK(points[1][3] == 5);
  const std::string event = told.pages->event();
  CHECK(event.ends_with("}\n\n"));
  CHECK(event.find('\n') == event.size() - 2);
  const Json status = data_of(event, 0);
  CHECK(status["totals"]["messages"] == 5);
  CHECK(status["refused"] == Json({{"404", 5}}));
  CHECK(status["refused_lately"]["by"] == Json({{"404", 3}}));
}

TEST_CASE("admin pages: the page comes with its policy") {
  Told told;
  const AdminAnswer answer = told.pages->answer({.page = AdminPage::page});
  CHECK(answer.content_type == "text/html; charset=utf-8");
  CHECK(answer.body.starts_with("<!DOCTYPE html>"));
  CHECK(answer.policy.find("script-src 'sha256-") != std::string::npos);
}

TEST_CASE("admin pages: names of any bytes stay within one event") {
  Told told;
  told.config->upstreams[0].name = "a\n\ndata: x\r\xff\xe2\x80\xa8</script>";
  told.pages->use(*told.config, Members());
  const std::string event = told.pages->event();
  CHECK(event.find('\n') == event.size() - 2);
  CHECK(event.find('\r') == std::string::npos);
}

}  // namespace
}  // namespace sluice
