// Router: the order of routes, what each condition takes, and the target that goes upstream.
#include "core/router.h"

#include <doctest/doctest.h>

#include <initializer_list>
#include <string>

using namespace sluice;

namespace {

RouteConfig route_of(const char* path, const char* host = "",
                     std::initializer_list<HeaderMatch> headers = {}) {
  RouteConfig route;
  route.path = path;
  route.match_host = host;
  route.match_headers = headers;
  return route;
}

Head request_with(std::initializer_list<HeaderField> fields) {
  Head head;
  head.fields = fields;
  return head;
}

// The number of the route that is taken, or -1.
int taken(const Config& config, const char* host, const char* path,
          std::initializer_list<HeaderField> fields = {}) {
  const RouteConfig* route = find_route(config, host, path, request_with(fields));
  return route == nullptr ? -1 : static_cast<int>(route - config.routes.data());
}

ServerUri server_with(const char* path) {
  ServerUri server;
  server.path = path;
  return server;
}

}  // namespace

TEST_CASE("router: a path takes itself and what is under it, case-sensitive") {
  CHECK(path_is_under("/socket", "/socket"));
  CHECK(path_is_under("/socket/", "/socket"));
  CHECK(path_is_under("/socket/a/b", "/socket"));
  CHECK_FALSE(path_is_under("/sockets", "/socket"));
  CHECK_FALSE(path_is_under("/socke", "/socket"));
  CHECK_FALSE(path_is_under("/Socket", "/socket"));
  CHECK_FALSE(path_is_under("/", "/socket"));
  CHECK(path_is_under("/", "/"));
  CHECK(path_is_under("/anything/at/all", "/"));
}

TEST_CASE("router: the first match in file order wins") {
  Config config;
  config.routes = {route_of("/a/b"), route_of("/a"), route_of("/a/b/c"), route_of("/z")};
  CHECK(taken(config, "x", "/a/b/c") == 0);
  CHECK(taken(config, "x", "/a/c") == 1);
  CHECK(taken(config, "x", "/z") == 3);
  CHECK(taken(config, "x", "/") == -1);
  CHECK(taken(Config{}, "x", "/") == -1);
}

TEST_CASE("router: hosts are compared without case, stars take subdomains only") {
  Config config;
  config.routes = {route_of("/", "example.org"), route_of("/", "*.example.org"),
                   route_of("/", "[::1]")};
  CHECK(taken(config, "example.org", "/") == 0);
  CHECK(taken(config, "EXAMPLE.ORG", "/") == 0);
  CHECK(taken(config, "example.org.", "/") == 0);
  CHECK(taken(config, "a.example.org", "/") == 1);
  CHECK(taken(config, "A.B.Example.Org", "/") == 1);
  CHECK(taken(config, "[::1]", "/") == 2);
  CHECK(taken(config, "badexample.org", "/") == -1);
  CHECK(taken(config, ".example.org", "/") == -1);
  CHECK(taken(config, "example.com", "/") == -1);
  CHECK(taken(config, "", "/") == -1);
}

TEST_CASE("router: all header conditions must hold, a value in any of the fields") {
  Config config;
  config.routes = {route_of("/", "", {{"X-Region", "us-east"}, {"X-Beta", ""}}),
                   route_of("/", "", {{"X-Region", "us-east"}}),
                   route_of("/", "", {{"X-Any", ""}})};
  CHECK(taken(config, "", "/", {{"x-region", "us-east"}, {"X-BETA", ""}}) == 0);
  CHECK(taken(config, "", "/", {{"X-Region", "us-east"}}) == 1);
  CHECK(taken(config, "", "/", {{"X-Region", "eu"}, {"X-Region", "us-east"}}) == 1);
  CHECK(taken(config, "", "/", {{"X-Region", "US-EAST"}}) == -1);
  CHECK(taken(config, "", "/", {{"X-Any", "whatever"}}) == 2);
  CHECK(taken(config, "", "/", {{"X-Other", "us-east"}}) == -1);
}

TEST_CASE("router: the target that goes upstream") {
  struct Row {
    const char* server;
    const char* route;
    const char* path;
    const char* query;
    const char* target;
  };
  const Row rows[] = {
      // a server URI without a path changes nothing
      {"", "/", "/", "", "/"},
      {"", "/socket", "/socket/a//b/", "?x=1", "/socket/a//b/?x=1"},
      // the route itself is the server's path
      {"/app", "/socket", "/socket", "", "/app"},
      {"/app/", "/socket", "/socket", "?", "/app/?"},
      {"/app", "/", "/", "", "/app"},
      {"/", "/socket", "/socket", "?q", "/?q"},
      // what is under it is joined by one slash
      {"/app", "/socket", "/socket/", "", "/app/"},
      {"/app", "/socket", "/socket/a/b", "?q=/x", "/app/a/b?q=/x"},
      {"/app/", "/socket", "/socket/a/", "", "/app/a/"},
      {"/app", "/socket", "/socket//a//b", "", "/app/a//b"},
      {"/", "/socket", "/socket/a", "", "/a"},
      {"/", "/", "/a", "", "/a"},
      {"/app", "/", "/a", "", "/app/a"},
      {"/app/", "/", "/a", "", "/app/a"},
      {"/app", "/", "//", "", "/app/"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.server);
    CAPTURE(row.path);
    CHECK(upstream_target(server_with(row.server), row.route, row.path, row.query) == row.target);
  }
}
