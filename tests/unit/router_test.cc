// Router: the order of routes, what each condition takes, and the target that goes upstream.
#include "core/router.h"

#include <doctest/doctest.h>

#include <initializer_list>
#include <optional>
#include <string>
#include <utility>

using namespace sluice;

namespace {

RouteConfig route_of(const char* path, const char* host = "",
                     std::initializer_list<ValueMatch> headers = {}) {
  RouteConfig route;
  route.path = path;
  if (*host != '\0') route.match_hosts = {host};
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
int taken(Config& config, const RouteRequest& request) {
  config.index_routes();
  const RouteChoice choice = find_route(config, request);
  if (choice.ambiguous) return ambiguous;
  return choice.route == nullptr ? -1 : static_cast<int>(choice.route - config.routes.data());
}

int taken(Config& config, const char* host, const char* path,
          std::initializer_list<HeaderField> fields = {}) {
  const Head head = request_with(fields);
  RouteRequest request;
  request.host = host;
  request.path = path;
  request.head = &head;
  return taken(config, request);
}

Pattern pattern_of(const char* text) {
  std::string wrong;
  std::optional<Pattern> pattern = Pattern::compile(text, wrong);
  REQUIRE_MESSAGE(pattern.has_value(), wrong);
  return *std::move(pattern);
}

RouteConfig exact_route(const char* path) {
  RouteConfig route = route_of(path);
  route.path_form = PathForm::exact;
  return route;
}

RouteConfig pattern_route(const char* text) {
  RouteConfig route = route_of(text);
  route.path_form = PathForm::pattern;
  route.pattern = pattern_of(text);
  return route;
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
  Config none;
  CHECK(taken(none, "x", "/") == -1);
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

TEST_CASE("router: a stripped path is what stands under the route") {
  const auto stripped = [](const char* server, const char* route, const char* path) {
    return upstream_target(server_with(server), route, path, "?q", true);
  };
  CHECK(stripped("", "/socket", "/socket/a/b") == "/a/b?q");
  CHECK(stripped("", "/socket", "/s%6fcket//a") == "/a?q");
  CHECK(stripped("", "/socket", "/socket") == "/?q");
  CHECK(stripped("", "/", "/a") == "/a?q");
  CHECK(stripped("/app", "/socket", "/socket/a") == "/app/a?q");
}

TEST_CASE("router: a rewritten path is judged as a client's is") {
  RouteConfig route = route_of("/");
  route.rewrites = {{pattern_of("^/v[0-9]+(/.*)$"), "\\1"}, {pattern_of("^/a(.*)$"), "/b/\\1"}};
  const auto rewritten = [&route](const char* path) {
    const Result<std::string> made = rewritten_path(route, path);
    return made.ok() ? made.value() : "fault: " + made.fault().text();
  };
  CHECK(rewritten("/none") == "");
  CHECK(rewritten("/v12/chat") == "/chat");
  CHECK(rewritten("/v1/") == "/");
  CHECK(rewritten("/%761/caf%c3%a9") == "/caf%C3%A9");  // in normal form
  CHECK(rewritten("/abc") == "/b/bc");
  CHECK(rewritten("/a/v1/c") == "/b//v1/c");  // the first one that is found
  CHECK(rewritten("/a../secret") == "fault: a dot segment");
  CHECK(rewritten("/a..") == "fault: a dot segment");
  CHECK(rewritten("/a..;x/secret") == "fault: a dot segment");
  CHECK(rewritten("/a%2e%2e/secret") == "fault: a dot segment");
  CHECK(rewritten("/ax") == "/b/x");
  CHECK(rewritten_path(route_of("/"), "/a..").value().empty());
}

TEST_CASE("router: an exact route takes its path alone, in any spelling") {
  Config config;
  config.routes = {exact_route("/a"), exact_route("/b/"), exact_route("/"), exact_route("/%20")};
  CHECK(taken(config, "", "/a") == 0);
  CHECK(taken(config, "", "/%61") == 0);
  CHECK(taken(config, "", "/a/") == -1);
  CHECK(taken(config, "", "/a/b") == -1);
  CHECK(taken(config, "", "/b/") == 1);
  CHECK(taken(config, "", "/b") == -1);
  CHECK(taken(config, "", "/") == 2);
  CHECK(taken(config, "", "/%20") == 3);
  CHECK(taken(config, "", "//a") == ambiguous);
  CHECK(taken(config, "", "/b%2F") == ambiguous);
}

TEST_CASE("router: a pattern takes paths in which it is found, both readings alike") {
  Config config;
  config.routes = {pattern_route("\\.ws$"), pattern_route("^/files/[^/]+$"),
                   pattern_route("(?i)^/ADMIN")};
  CHECK(taken(config, "", "/x/y.ws") == 0);
  CHECK(taken(config, "", "/x/y.w%73") == 0);
  CHECK(taken(config, "", "/x/y.ws/z") == -1);
  CHECK(taken(config, "", "/files/caf%C3%A9") == 1);
  CHECK(taken(config, "", "/files/a%20b") == 1);
  CHECK(taken(config, "", "/files/a%2Fb") == ambiguous);
  CHECK(taken(config, "", "/files/a%2Ews") == 0);
  CHECK(taken(config, "", "/administrator") == 2);
  CHECK(taken(config, "", "//admin") == ambiguous);
}

TEST_CASE("router: file order decides, whichever form a path has") {
  Config config;
  config.routes = {route_of("/a/b"), pattern_route("^/a/"), exact_route("/a/c"), route_of("/a"),
                   exact_route("/a")};
  CHECK(taken(config, "", "/a/b") == 0);
  CHECK(taken(config, "", "/a/c") == 1);
  CHECK(taken(config, "", "/a") == 3);
}

TEST_CASE("router: one of several hosts is enough") {
  Config config;
  config.routes = {route_of("/"), route_of("/")};
  config.routes[0].match_hosts = {"a.example", "*.b.example", "[::1]"};
  CHECK(taken(config, "A.example.", "/") == 0);
  CHECK(taken(config, "x.B.example", "/") == 0);
  CHECK(taken(config, "[0::1]", "/") == 0);
  CHECK(taken(config, "b.example", "/") == 1);
}

TEST_CASE("router: patterns in values") {
  Config config;
  config.routes = {route_of("/", "", {{"X-Region", "", pattern_of("^eu-")}})};
  CHECK(taken(config, "", "/", {{"x-region", "eu-west"}}) == 0);
  CHECK(taken(config, "", "/", {{"X-Region", "us"}, {"X-Region", "eu-"}}) == 0);
  CHECK(taken(config, "", "/", {{"X-Region", "neu-"}}) == -1);
  CHECK(taken(config, "", "/") == -1);
}

TEST_CASE("router: parameters of the query, without their escapes") {
  Config config;
  config.routes = {route_of("/"), route_of("/"), route_of("/")};
  config.routes[0].match_queries = {{"room", "a b"}, {"debug"}};
  config.routes[1].match_queries = {{"room", "", pattern_of("^[0-9]+$")}};
  const auto with = [&config](const char* query) {
    const Head head;
    RouteRequest request;
    request.path = "/";
    request.query = query;
    request.head = &head;
    return taken(config, request);
  };
  CHECK(with("?room=a+b&debug") == 0);
  CHECK(with("?debug=&ro%6Fm=%61%20b") == 0);
  CHECK(with("?room=x&room=a%20b&debug=1") == 0);
  CHECK(with("?room=a+b") == 2);
  CHECK(with("?room=17") == 1);
  CHECK(with("?room=17a") == 2);
  CHECK(with("?Room=17") == 2);
  CHECK(with("?") == 2);
  CHECK(with("") == 2);
}

TEST_CASE("router: cookies, in any of the fields, as they came") {
  Config config;
  config.routes = {route_of("/"), route_of("/")};
  config.routes[0].match_cookies = {{"beta", "1"}, {"sid"}};
  CHECK(taken(config, "", "/", {{"cookie", "sid=x; beta=1"}}) == 0);
  CHECK(taken(config, "", "/", {{"Cookie", "sid="}, {"Cookie", "a=b;beta=1"}}) == 0);
  CHECK(taken(config, "", "/", {{"Cookie", "beta=1"}}) == 1);
  CHECK(taken(config, "", "/", {{"Cookie", "sid=x; beta=%31"}}) == 1);
  CHECK(taken(config, "", "/", {{"Cookie", "sid=x; Beta=1"}}) == 1);
  CHECK(taken(config, "", "/", {{"X-Cookie", "sid=x; beta=1"}}) == 1);
}

TEST_CASE("router: client, listener and method") {
  const Address near = Address::parse("10.1.2.3:5").value();
  const Address far = Address::parse("192.0.2.1:5").value();
  const Address unix_socket = Address::parse("unix:/a").value();
  const Address web = Address::parse("0.0.0.0:80").value();
  const Head head;
  Config config;
  config.routes = {route_of("/"), route_of("/"), route_of("/"), route_of("/")};
  config.routes[0].match_clients.ranges = {Cidr::parse("10.0.0.0/8").value()};
  config.routes[1].match_clients.unix_sockets = true;
  config.routes[2].match_listeners = {far, web};
  config.routes[2].match_methods = {"GET", "PUT"};
  RouteRequest request{.host = "",
                       .path = "/",
                       .query = "",
                       .method = "GET",
                       .head = &head,
                       .client = &near,
                       .listener = &web};
  CHECK(taken(config, request) == 0);
  request.client = &unix_socket;
  CHECK(taken(config, request) == 1);
  request.client = &far;
  CHECK(taken(config, request) == 2);
  request.method = "put";
  CHECK(taken(config, request) == 3);
  request.method = "PUT";
  request.listener = &near;
  CHECK(taken(config, request) == 3);
}

TEST_CASE("router: why a route is not taken, without values of fields") {
  const Head head = request_with({{"X-Key", "secret"}, {"Cookie", "sid=secret"}});
  const Address client = Address::parse("192.0.2.1:5").value();
  const auto why = [&](const RouteConfig& route, const char* path = "/a") {
    return why_not(route, {.host = "a.example",
                           .path = path,
                           .query = "?room=secret",
                           .method = "GET",
                           .head = &head,
                           .client = &client,
                           .listener = &client});
  };
  CHECK(why(route_of("/a"), "/b") == "the path is not under it");
  CHECK(why(exact_route("/a"), "/a/b") == "the path is another one");
  CHECK(why(pattern_route("^/a$"), "/a/b") == "the path does not match it");
  CHECK(why(route_of("/a", "b.example"), "/a/b") == "the host is not b.example");
  CHECK(why(route_of("/a", "", {{"X-None", ""}})) == "no field X-None");
  CHECK(why(route_of("/a", "", {{"X-Key", "other"}})) == "another value in the field X-Key");
  CHECK(why(route_of("/a", "A.example", {{"X-Key", "secret"}}), "/%61").empty());
  RouteConfig route = route_of("/a");
  route.match_hosts = {"b.example", "*.c.example"};
  CHECK(why(route) == "the host is not b.example or *.c.example");
  route = route_of("/a");
  route.match_cookies = {{"sid", "secret"}, {"sid", "other"}};
  CHECK(why(route) == "another value in the cookie sid");
  route.match_cookies = {{"none"}};
  CHECK(why(route) == "no cookie none");
  route.match_cookies.clear();
  route.match_queries = {{"room", "other"}};
  CHECK(why(route) == "another value in the parameter room");
  route.match_methods = {"PUT", "POST"};
  CHECK(why(route) == "the method is not PUT or POST");
  route.match_methods.clear();
  route.match_listeners = {Address::parse("127.0.0.1:80").value()};
  CHECK(why(route) == "the listener is another one");
  route.match_listeners.clear();
  route.match_clients.unix_sockets = true;
  CHECK(why(route) == "the client is not among match_client's");
}
