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

constexpr int ambiguous = -2;

// The number of the route that is taken, -1 for none, or ambiguous.
int taken(const Config& config, const char* host, const char* path,
          std::initializer_list<HeaderField> fields = {}) {
  const RouteChoice choice = find_route(config, host, path, request_with(fields));
  if (choice.ambiguous) return ambiguous;
  return choice.route == nullptr ? -1 : static_cast<int>(choice.route - config.routes.data());
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

TEST_CASE("router: IPv6 literals are compared as addresses") {
  Config config;
  config.routes = {route_of("/", "[::1]"), route_of("/", "[2001:db8::a]")};
  CHECK(taken(config, "[0:0:0:0:0:0:0:1]", "/") == 0);
  CHECK(taken(config, "[2001:0DB8::000A]", "/") == 1);
  CHECK(taken(config, "[::2]", "/") == -1);
}

TEST_CASE("router: a path is matched in its normal form") {
  Config config;
  config.routes = {route_of("/admin"), route_of("/caf%C3%A9"), route_of("/a%20b"), route_of("/~u"),
                   route_of("/")};
  CHECK(taken(config, "", "/%61dmin/x") == 0);
  CHECK(taken(config, "", "/%41dmin") == 4);  // case means something
  CHECK(taken(config, "", "/caf%c3%a9") == 1);
  CHECK(taken(config, "", "/a%20b/") == 2);
  CHECK(taken(config, "", "/%7eu") == 3);
  CHECK(taken(config, "", "/%7Eu/x") == 3);
  CHECK(taken(config, "", "/admin;x") == 4);  // path parameters are data
}

TEST_CASE("router: where the readings of a path take different routes it is ambiguous") {
  Config config;
  config.routes = {route_of("/admin"), route_of("/a@b"), route_of("/c%40d"), route_of("/")};
  for (const char* path : {"//admin", "/admin%2Fx", "/admin\\x", "/%5cadmin", "/%2fadmin",
                           "/admin%5Cx", "/a%40b", "/c@d", "/a%40b/x"}) {
    CAPTURE(path);
    CHECK(taken(config, "", path) == ambiguous);
  }
  // Both take the same one.
  CHECK(taken(config, "", "/admin//x") == 0);
  CHECK(taken(config, "", "/admin/%2F") == 0);
  CHECK(taken(config, "", "/admin/group%2Fproject") == 0);
  CHECK(taken(config, "", "/x//y") == 3);
  CHECK(taken(config, "", "/x%5Cy\\z") == 3);
  CHECK(taken(config, "", "/a@b%40") == 3);
}

TEST_CASE("router: the readings are held against each other under the same conditions") {
  Config config;
  config.routes = {route_of("/admin", "a.example"), route_of("/admin", "", {{"X-Beta", ""}}),
                   route_of("/", "b.example")};
  CHECK(taken(config, "a.example", "//admin") == ambiguous);  // 404 is not what the other gets
  CHECK(taken(config, "b.example", "//admin") == 2);
  CHECK(taken(config, "b.example", "//admin", {{"X-Beta", "1"}}) == ambiguous);
  CHECK(taken(config, "c.example", "//admin") == -1);
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
      // spelled as it came
      {"", "/socket", "/%73ocket/%61%2f", "?%61", "/%73ocket/%61%2f?%61"},
      {"/app", "/socket", "/%73ocke%74/%61%2fb", "", "/app/%61%2fb"},
      {"/app", "/socket", "/%73ocket", "", "/app"},
      {"/app", "/a%20b", "/%61%20%62/%7e", "", "/app/%7e"},
      {"/app", "/", "/%2f", "", "/app/%2f"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.server);
    CAPTURE(row.path);
    CHECK(upstream_target(server_with(row.server), row.route, row.path, row.query) == row.target);
  }
}

TEST_CASE("router: why a route is not taken, without values of fields") {
  const Head request = request_with({{"X-Key", "secret"}});
  CHECK(why_not(route_of("/a"), "h", "/b", request) == "the path is not under it");
  CHECK(why_not(route_of("/a", "b.example"), "a.example", "/a/b", request) ==
        "the host is not b.example");
  CHECK(why_not(route_of("/a", "", {{"X-None", ""}}), "h", "/a", request) == "no field X-None");
  CHECK(why_not(route_of("/a", "", {{"X-Key", "other"}}), "h", "/a", request) ==
        "another value in the field X-Key");
  CHECK(why_not(route_of("/a", "H", {{"X-Key", "secret"}}), "h", "/%61", request).empty());
}
