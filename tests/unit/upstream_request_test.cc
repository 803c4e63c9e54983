// The request for a peer: what the route's directives make of the client's.
#include "core/session/upstream_request.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "protocol/http1.h"
#include "tests/unit/worker_testing.h"

namespace sluice {
namespace {

const std::string client_request =
    "GET /chat/room?x=1 HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nX-Secret: client's own\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX_Odd: 1\r\nX-Plain: 2\r\n\r\n";

// The request as the only peer of `server` gets it, under those directives of its route.
std::string sent(const std::string& server, const std::string& directives,
                 const std::string& rewritten = "") {
  testing::TestWorker worker("route /chat\nproxy_pass " + server + "\n" + directives);
  const testing::Lent lent(worker);
  Http1Parser parser(Http1Parser::Role::request, {});
  REQUIRE(parser.feed_head(client_request).outcome == Http1Parser::Outcome::complete);
  UpgradeRequest upgrade;
  REQUIRE(!check_upgrade_request(parser.request(), upgrade));
  const PeerConfig& config = worker.config().upstreams[0].peers[0];
  const std::vector<std::string_view> protocols{"chat"};
  const Hop hop{.address = lent.context.client_address};
  return request_for_peer(lent.context, worker.route(), worker.upstreams.peers().at(config.id),
                          {parser.request(), upgrade, protocols, nullptr, hop, rewritten});
}

bool has(const std::string& request, const std::string& line) {
  return request.find("\r\n" + line + "\r\n") != std::string::npos;
}

TEST_CASE("upstream request: target, host, what is ours and what is not passed on") {
  const std::string request = sent("ws://127.0.0.1:9/app", "");
  CHECK(request.starts_with("GET /app/room?x=1 HTTP/1.1\r\nHost: a.example\r\n"));
  CHECK(has(request, "X-Forwarded-For: 127.0.0.1"));
  CHECK(has(request, "X-Forwarded-Proto: http"));
  CHECK(has(request, "Sec-WebSocket-Protocol: chat"));
  CHECK(has(request, "X-Plain: 2"));
  CHECK(request.find("X_Odd") == std::string::npos);
  CHECK(request.ends_with("\r\n\r\n"));
}

TEST_CASE("upstream request: host, set_header, remove_header and underscore_headers") {
  const std::string request = sent("ws://127.0.0.1:9",
                                   "host server\nset_header X-Id $request_id\n"
                                   "set_header X-Secret $http_x_absent\nremove_header X-Plain\n"
                                   "underscore_headers on\n");
  CHECK(has(request, "Host: 127.0.0.1:9"));
  CHECK(has(request, "X-Id: 0-test-7"));
  CHECK(has(request, "X_Odd: 1"));
  CHECK(request.find("X-Plain") == std::string::npos);
  // A variable without a value must not let the client's own field pass for it.
  CHECK(request.find("X-Secret") == std::string::npos);
}

TEST_CASE("upstream request: strip_path, and a path that was rewritten") {
  CHECK(sent("ws://127.0.0.1:9", "strip_path on\n").starts_with("GET /room?x=1 HTTP/1.1\r\n"));
  CHECK(sent("ws://127.0.0.1:9/app", "strip_path on\n").starts_with("GET /app/room?x=1 HTTP"));
  CHECK(sent("ws://127.0.0.1:9", "strip_path on\n", "/new").starts_with("GET /new?x=1 HTTP/1.1"));
  CHECK(sent("ws://127.0.0.1:9/app", "", "/new").starts_with("GET /app/new?x=1 HTTP/1.1\r\n"));
}

TEST_CASE("upstream request: which upstream a request's value chooses") {
  const auto chosen = [](const std::string& words, const char* region) -> std::string {
    testing::TestWorker worker(
        "upstream one\nserver ws://127.0.0.1:1\nupstream two\n"
        "server ws://127.0.0.1:2\nroute /\nupstream_by " +
        words + "\n");
    const testing::Lent lent(worker);
    RequestHead head;
    if (region != nullptr) head.add("X-Region", region);
    const UpgradeRequest upgrade;
    const Hop hop{.address = lent.context.client_address};
    const RouteConfig* const route =
        choose_upstream(lent.context, worker.route(), {head, upgrade, {}, nullptr, hop});
    return route == nullptr ? "none" : worker.config().upstream(route->upstream).name;
  };
  const std::string by = "$http_x_region a=one b=two";
  CHECK(chosen(by, "a") == "one");
  CHECK(chosen(by, "b") == "two");
  CHECK(chosen(by, "B") == "none");
  CHECK(chosen(by, "ab") == "none");
  CHECK(chosen(by, nullptr) == "none");
  CHECK(chosen(by + " default=two", "c") == "two");
  CHECK(chosen(by + " default=two", nullptr) == "two");
  CHECK(chosen("$host-$http_x_region -a=one default=two", "a") == "one");
}

}  // namespace
}  // namespace sluice
