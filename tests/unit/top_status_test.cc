// Top status: what is read of a status and of sessions, and what of neither.
#include "core/process/top_status.h"

#include <doctest/doctest.h>

#include <string>

namespace sluice {
namespace {

TEST_CASE("top status: totals, routes, peers, workers and the certificate that ends first") {
  const auto status = read_top_status(
      R"({"version":"1.2","conf":"/c","generation":3,"uptime_s":60,"now_ms":5000,"ending":true,)"
      R"("reloads":{"good":1,"latest_bad":true},)"
      R"("totals":{"sessions":7,"accepted":9,"handshakes":8,"messages":100,"bytes":2000},)"
      R"("refused":{"404":2,"none":1},)"
      R"("certificates":[{"what":"b","days_left":40},{"what":"a","days_left":-3}],)"
      R"("routes":[{"route":"/a","upstream":"u","sessions":4,"handshakes":5,)"
      R"("from_client":{"bytes":10,"messages":1},"from_upstream":{"bytes":30,"messages":2},)"
      R"("refused":{"404":2,"503":1}}],)"
      R"("upstreams":[{"name":"u","peers":[{"name":"10.0.0.1:80","state":"out","sessions":2,)"
      R"("failures":3,"latest_failure":"timeout","since_s":12,"check":{"state":"down"}}]}],)"
      R"("workers":[{"number":0,"pid":11},{"number":1,"pid":0,"busy":0.25},)"
      R"({"number":2,"pid":12,"busy":7},{"number":3,"pid":13,"busy":"x"}]})");
  REQUIRE(status);
  CHECK(status->version == "1.2");
  CHECK(status->conf == "/c");
  CHECK(status->generation == 3);
  CHECK(status->uptime_s == 60);
  CHECK(status->now_ms == 5'000);
  CHECK(status->ending);
  CHECK(status->latest_reload_bad);
  CHECK(status->sessions == 7);
  CHECK(status->accepted == 9);
  CHECK(status->handshakes == 8);
  CHECK(status->messages == 100);
  CHECK(status->bytes == 2'000);
  REQUIRE(status->refused.size() == 2);
  CHECK(status->refused[0].name == "404");
  CHECK(status->refused[1].count == 1);
  CHECK(status->certificate == "a");
  CHECK(status->certificate_days == -3);
  REQUIRE(status->routes.size() == 1);
  CHECK(status->routes[0].messages == 3);
  CHECK(status->routes[0].bytes == 40);
  CHECK(status->routes[0].refused == 3);
  REQUIRE(status->peers.size() == 1);
  CHECK(status->peers[0].upstream == "u");
  CHECK(status->peers[0].state == "out");
  CHECK(status->peers[0].check == "down");
  CHECK(status->peers[0].reason == "timeout");
  CHECK(status->peers[0].since_s == 12);
  CHECK(status->workers == 4);
  CHECK(status->workers_missing == 1);
  REQUIRE(status->loads.size() == 2);
  CHECK(status->loads[0].worker == 1);
  CHECK(status->loads[0].busy == 0.25);
  CHECK(status->loads[1].busy == 1);
}

TEST_CASE("top status: members that lack or are of another kind are nothing") {
  const auto status = read_top_status(
      R"({"totals":{"sessions":"x","accepted":-1},"routes":{},"upstreams":[1,{"peers":[[]]}],)"
      R"("refused":[1],"certificates":[{"days_left":"x"},{"days_left":18446744073709551615}],)"
      R"("workers":[null],"version":7})");
  REQUIRE(status);
  CHECK(status->sessions == 0);
  CHECK(status->accepted == 0);
  CHECK(status->routes.empty());
  CHECK(status->refused.empty());
  REQUIRE(status->peers.size() == 1);
  CHECK(!status->peers[0].since_s);
  CHECK(status->certificate_days == INT64_MAX);
  CHECK(status->workers_missing == 1);
  for (const char* none : {"", "x", "[]", "{}", "{\"totals\":1}", "null", "{\"totals\":{}"}) {
    CAPTURE(none);
    CHECK(!read_top_status(none));
  }
}

TEST_CASE("top status: a session's line, and the line behind the last one") {
  const auto session = read_top_session(
      R"({"id":"0-x-1","client":"c","route":"/r","peer":"p","age_ms":5,"idle_ms":3,)"
      R"("from_client":{"messages":1,"bytes":2,"queued":3},)"
      R"("from_upstream":{"messages":10,"bytes":20,"queued":30}})");
  REQUIRE(session);
  CHECK(session->id + session->client + session->route + session->peer == "0-x-1c/rp");
  CHECK(session->messages == 11);
  CHECK(session->bytes == 22);
  CHECK(session->queued == 33);
  CHECK(session->age_ms == 5);
  CHECK(session->idle_ms == 3);
  CHECK(!read_top_session("{\"ok\":true}"));
  CHECK(!read_top_session(""));
  CHECK(!read_top_session("[1]"));
}

}  // namespace
}  // namespace sluice
