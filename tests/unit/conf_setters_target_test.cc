// Where a route leads and with which path: upstream_by and rewrite_path, and what they refuse.
#include <doctest/doctest.h>

#include <string>

#include "tests/unit/conf_testing.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

const std::string upstreams =
    "upstream us\nserver ws://127.0.0.1:1\nidle_timeout 11s\n"
    "upstream eu\nserver ws://127.0.0.1:2\n";

std::string by(const std::string& words, const std::string& more = "") {
  return "listen 127.0.0.1:8080\n" + upstreams + "route /a\nupstream_by " + words + "\n" + more;
}

std::string error_of_rewriting(const std::string& words) {
  return errors_in("listen 127.0.0.1:8080\nroute /\nproxy_pass ws://127.0.0.1:1\nrewrite_path " +
                   words);
}

std::string rewriting(const std::string& to) {
  return good(
             "listen 127.0.0.1:8080\nroute /\nproxy_pass ws://127.0.0.1:1\nrewrite_path "
             "^/(a)(b)$ " +
             to)
      ->routes[0]
      .rewrites[0]
      .to;
}

}  // namespace

TEST_CASE("conf target: a value leads to its upstream, with that one's settings") {
  const auto config =
      good(by("$http_x_region us=us u=s=us eu=eu default=eu", "set_header X-A b\n"));
  REQUIRE(config->routes.size() == 1);
  const RouteConfig& route = config->routes[0];
  REQUIRE(route.by);
  REQUIRE(route.choices.size() == 2);  // one for each upstream
  CHECK(route.by->places.at("us") == 0);
  CHECK(route.by->places.at("u=s") == 0);
  CHECK(route.by->places.at("eu") == 1);
  CHECK(route.by->otherwise == 1);
  CHECK(route.upstream == route.choices[0].upstream);
  CHECK(config->upstream(route.choices[0].upstream).name == "us");
  CHECK(config->upstream(route.choices[1].upstream).name == "eu");
  CHECK(route.choices[0].idle_timeout_ms == 11'000);
  CHECK(route.choices[1].idle_timeout_ms == 600'000);
  for (const RouteConfig& choice : route.choices) {
    CHECK(choice.id == route.id);
    CHECK(choice.key == route.key);
    CHECK(choice.name() == "/a");
    CHECK(choice.set_headers.size() == 1);
  }
  CHECK_FALSE(good(by("$host a=us"))->routes[0].by->otherwise);
}

TEST_CASE("conf target: what leads nowhere, or twice") {
  CHECK(errors_in(by("$host a=no default=none")) ==
        "8: upstream_by: there is no upstream \"no\"\n"
        "8: upstream_by: there is no upstream \"none\"\n");
  CHECK(errors_in(by("$host a=uss")) ==
        "8: upstream_by: there is no upstream \"uss\", did you mean \"us\"?\n");
  CHECK(errors_in(by("$host us")) ==
        "8: upstream_by: \"us\" is neither VALUE=UPSTREAM nor default=UPSTREAM\n");
  CHECK(errors_in(by("$host =us")) ==
        "8: upstream_by: \"=us\" is neither VALUE=UPSTREAM nor default=UPSTREAM\n");
  CHECK(errors_in(by("$host a=us a=eu")) ==
        "8: upstream_by: \"a=eu\": that value is given already\n");
  CHECK(errors_in(by("$host default=us default=eu")) ==
        "8: upstream_by: \"default=eu\": that value is given already\n");
  CHECK(errors_in(by("host a=us")) ==
        "8: upstream_by: \"host\" has no variable in it; write one first, as $http_x_region\n");
  CHECK(errors_in(by("$host a=us", "proxy_pass eu\n")) ==
        "8: upstream_by: the route has a proxy_pass as well; write that as default=UPSTREAM\n");
  CHECK(errors_in(by("$host a=us", "return 204\n")) ==
        "9: return: the route has an upstream_by as well; give each a route of its own\n");
}

TEST_CASE("conf target: upstreams that a value leads to are used") {
  const auto outcome = load_text(by("$host a=us default=eu"));
  CHECK(errors_of(outcome) == "");
  CHECK(outcome.warnings.empty());
}

TEST_CASE("conf target: groups are cited by their numbers") {
  CHECK(rewriting("/$2/$1") == "/\\2/\\1");
  CHECK(rewriting("/$$1") == "/$1");
  CHECK(rewriting("/a") == "/a");
  const TestVariable text("SLUICE_TEST_TO", "/$1");
  CHECK(rewriting("${env:SLUICE_TEST_TO}$2") == "/$1\\2");  // what a reference brings in is text
}

TEST_CASE("conf target: what no path can come of") {
  CHECK(error_of_rewriting("a b") == "4: rewrite_path: \"b\" does not begin with /\n");
  CHECK(error_of_rewriting("(a /b") ==
        "4: rewrite_path: \"(a\" is not a regular expression: missing ): (a\n");
  CHECK(error_of_rewriting("(a) /$2") ==
        "4: rewrite_path: \"/$2\": the regular expression has no group 2\n");
  CHECK(error_of_rewriting("a /$host") ==
        "4: rewrite_path: \"/$host\": behind a $ stands the number of a group, $1 to $9; $$ is a "
        "plain $\n");
  CHECK(error_of_rewriting("a /b$") ==
        "4: rewrite_path: \"/b$\": behind a $ stands the number of a group, $1 to $9; $$ is a "
        "plain $\n");
  CHECK(error_of_rewriting("a /b/../c") ==
        "4: rewrite_path: \"/b/../c\" is not a path: a dot segment\n");
  CHECK(error_of_rewriting("a /b?c") ==
        "4: rewrite_path: \"/b?c\" is not a path: the query travels on as it came\n");
}

TEST_CASE("conf target: fields of answers that are not for a conf to change") {
  const auto error = [](const std::string& line) {
    return errors_in("listen 127.0.0.1:8080\nroute /\nproxy_pass ws://127.0.0.1:1\n" + line);
  };
  for (const std::string name : {"Connection", "upgrade", "Sec-WebSocket-Accept", "Content-Length",
                                 "Transfer-Encoding", "Keep-Alive", "Trailer"}) {
    const std::string told = "_response_header: \"" + name +
                             "\" belongs to the handshake, the body or one connection and cannot "
                             "be changed\n";
    CHECK(error("set_response_header " + name + " a") == "4: set" + told);
    CHECK(error("remove_response_header " + name) == "4: remove" + told);
  }
  CHECK(error("set_response_header Host a") == "");
  CHECK(error("set_response_header X-A a\nset_response_header x-a b") ==
        "5: set_response_header: \"x-a\" is already given in this section\n");
}

TEST_CASE("conf target: a route's fields of answers go before the top's") {
  const auto config =
      good(conf_of("set_response_header X-A top\nset_response_header X-B top\n"
                   "remove_response_header X-C",
                   "", "set_response_header x-b own\nremove_response_header x-a"));
  const RouteConfig& route = config->routes[0];
  REQUIRE(route.set_answer_headers.size() == 1);
  CHECK(text_of(route.set_answer_headers[0].value) == "own");
  CHECK(route.remove_answer_headers == std::vector<std::string>{"x-a", "X-C"});
}
