// Who is asked about a route's requests, and what of the answer may be named where.
#include <doctest/doctest.h>

#include <string>

#include "tests/unit/conf_testing.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

std::string route(const std::string& lines, const std::string& top = "") {
  return top + "listen 127.0.0.1:8080\nroute /a\nproxy_pass ws://127.0.0.1:1\n" + lines;
}

std::string errors_of_route(const std::string& lines, const std::string& top = "") {
  return errors_in(route(lines, top));
}

bool warns(const std::string& text, const std::string& of) {
  const ConfOutcome outcome = load_text(text);
  for (const std::string& each : outcome.warnings) {
    if (each.find(of) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("conf auth: the authorizer is an upstream of its own, asked within its own time") {
  const auto config = good(route("auth_request http://127.0.0.1:9/verify?x=1\nauth_timeout 2s\n",
                                 "health_check websocket\nsticky cookie a\nhedge_after 1s\n"
                                 "send_proxy_protocol v1\nconnect_timeout 3s\n"));
  const RouteConfig& route = config->routes[0];
  REQUIRE(route.authorizer.size() == 1);
  const RouteConfig& way = route.authorizer[0];
  CHECK(way.path == "/verify?x=1");
  CHECK(way.host.name == "127.0.0.1:9");
  CHECK(way.handshake_timeout_ms == 2'000);
  CHECK(std::string(way.answer_limit) == "auth_timeout");
  CHECK(std::string(route.answer_limit) == "handshake_timeout");
  CHECK(way.connect_timeout_ms == 3'000);
  CHECK(way.hedge_after_ms == 0);
  CHECK(way.send_proxy_protocol == SendProxyProtocol::off);
  const UpstreamConfig& upstream = config->upstream(way.upstream);
  CHECK(upstream.name == "auth_request http://127.0.0.1:9/verify");
  CHECK(upstream.peers.size() == 1);
  CHECK(upstream.check.kind == CheckSettings::Kind::off);
  CHECK(upstream.sticky.cookie == "");
  CHECK(way.upstream != route.upstream);
}

TEST_CASE("conf auth: from the top to all routes but those that say otherwise, and shared") {
  const auto config = good(
      "auth_request http://127.0.0.1:9/a\nauth_cache 5s\nlisten 127.0.0.1:8080\n"
      "route /own\nproxy_pass ws://127.0.0.1:1\nauth_request http://127.0.0.1:9/a\n"
      "route /off\nproxy_pass ws://127.0.0.1:1\nauth_request off\n"
      "route /reply\nreturn 204\n"
      "upstream u\nserver ws://127.0.0.1:2\n"
      "route /by\nupstream_by $host a=u\nset_header X-A $auth_http_x_a\n");
  const auto& routes = config->routes;
  REQUIRE(routes[0].authorizer.size() == 1);
  CHECK(routes[1].authorizer.empty());
  REQUIRE(routes[2].authorizer.size() == 1);
  CHECK(routes[2].auth_cache_ms == 5'000);
  CHECK(routes[2].authorizer[0].upstream == routes[0].authorizer[0].upstream);
  REQUIRE(routes[3].choices.size() == 1);
  REQUIRE(routes[3].choices[0].authorizer.size() == 1);
  CHECK(routes[3].choices[0].auth_fields == std::vector<std::string>{"x_a"});
  CHECK(good(route(""))->routes[0].authorizer.empty());
}

TEST_CASE("conf auth: which of the answer's fields a route names") {
  const auto config = good(
      "set_header X-Top $auth_http_x_top\nlisten 127.0.0.1:8080\nroute /a\n"
      "auth_request http://127.0.0.1:9/a\nset_header X-A $auth_http_a$auth_http_x_top\n"
      "set_response_header X-B $auth_http_b\nreturn 302 /$auth_http_c\n");
  std::string names;
  for (const std::string& each : config->routes[0].auth_fields) names += each + " ";
  CHECK(names == "x_top a b c ");
}

TEST_CASE("conf auth: what is no authorizer") {
  CHECK(errors_of_route("auth_request /auth\n") ==
        "4: auth_request: \"/auth\": a path alone leads to no server; write "
        "http://HOST:PORT/auth, or off\n");
  CHECK(errors_of_route("auth_request ws://127.0.0.1:9/a\n") ==
        "4: auth_request: \"ws://127.0.0.1:9/a\" is not the URI of an authorizer; "
        "write http://HOST:PORT/PATH or https://HOST:PORT/PATH, or off\n");
  CHECK(errors_of_route("auth_request on\n").find("is not the URI") != std::string::npos);
  CHECK(errors_of_route("auth_request http://127.0.0.1:0/a\n").find("port") != std::string::npos);
  CHECK(errors_of_route("auth_request http://127.0.0.1:9/../a\n").find("dot segment") !=
        std::string::npos);
  CHECK(errors_of_route("auth_request http://127.0.0.1:9/a?b#c\n") != "");
  CHECK(errors_of_route("auth_cache_size 5\n") != "");  // at the top alone
  CHECK(errors_of_route("", "auth_cache_size 0\n").find("1 to 1000000") != std::string::npos);
  CHECK(good(route("auth_request http://unix:/run/a.sock:/a\n"))->routes[0].authorizer[0].path ==
        "/a");
  CHECK(good(route("auth_request http://127.0.0.1:9\n"))->routes[0].authorizer[0].path == "/");
}

TEST_CASE("conf auth: a variable of an answer that nobody gives, or too late") {
  const std::string where = "5: ";
  const std::string why =
      ": $auth_http_ has no value here: route \"/a\" has no auth_request; add one, or leave the "
      "variable out\n";
  CHECK(errors_of_route("set_header X-B c\nset_header X-A $auth_http_x\n") ==
        where + "set_header" + why);
  CHECK(errors_of_route("idle_timeout 1s\nset_response_header X-A $auth_http_x\n") ==
        where + "set_response_header" + why);
  CHECK(errors_in("listen 127.0.0.1:8080\nroute /a\nreturn 302 /$auth_http_x\n") ==
        "3: return" + why);
  // What the top says for those that ask is no mistake in one that does not.
  CHECK(errors_of_route("", "set_header X-A $auth_http_x\n") == "");
  const std::string late = "is decided before its authorizer answers";
  CHECK(errors_in("listen 127.0.0.1:8080\nupstream u\nserver ws://127.0.0.1:1\n"
                  "balance hash $auth_http_x\nroute /\nproxy_pass u\n")
            .find(late) != std::string::npos);
  CHECK(errors_in("listen 127.0.0.1:8080\nupstream u\nserver ws://127.0.0.1:1\n"
                  "route /\nupstream_by $auth_http_x a=u\n")
            .find(late) != std::string::npos);
}

TEST_CASE("conf auth: warnings about verdicts that nobody gives, and about a way around") {
  CHECK(warns(route("auth_cache 5s\n"), "auth_cache: route \"/a\" has no auth_request"));
  CHECK_FALSE(warns(route("auth_cache 5s\nauth_request http://127.0.0.1:9/a\n"), "auth_cache"));
  const std::string open = "route /\nproxy_pass ws://127.0.0.1:1\n";
  CHECK(warns(route("auth_request http://127.0.0.1:9/a\n") + open, "can be walked around"));
  CHECK_FALSE(warns(
      route("auth_request http://127.0.0.1:9/a\n") + open + "auth_request http://127.0.0.1:9/a\n",
      "can be walked around"));
}
