// Routes against spelling: whatever a client writes for a path, it takes the same route or none
// (RFC 3986 6.2.2, core/DESIGN.md section 7). A second implementation judges.
#include <doctest/doctest.h>

#include <cctype>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "core/router.h"
#include "tests/unit/path_judge.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

constexpr int paths = 500;
constexpr int route_sets = 20;
constexpr int spellings = 10;

class Random {
 public:
  size_t below(size_t bound) { return source_() % bound; }
  template <size_t count>
  std::string pick(const char* const (&words)[count]) {
    return words[below(count)];
  }

 private:
  std::mt19937 source_{10};
};

const char* const usual_names[] = {"a", "admin", "a@b", "a%40b"};
const char* const names[] = {"a",    "b",      "Admin", "a;x",  "~u",    "a-b",
                             "%20x", "%C3%A9", "..x",   "x%25", "%2541", "$a"};
const char* const odd_names[] = {"",      ".", "..",  "..;", ".;x", "..%3B", "%2e%2E",
                                 "%2E;v", ";", "%00", "...", "*",   "[b]|^", "a:b"};
const char* const joints[] = {"/", "/", "/", "/", "/", "//", "%2F", "\\", "%5C", "/\\"};

std::string random_name(Random& random) {
  return random.below(3) == 0 ? random.pick(names) : random.pick(usual_names);
}

std::string random_path(Random& random) {
  std::string path = "/";
  const size_t segments = random.below(4);
  for (size_t i = 0; i < segments; ++i) {
    path += random.below(12) == 0 ? random.pick(odd_names) : random_name(random);
    if (i + 1 < segments || random.below(4) == 0) path += random.pick(joints);
  }
  if (random.below(8) == 0) path.insert(1, random.pick(joints).substr(1));
  return path;
}

std::string random_route(Random& random) {
  std::string path;
  for (size_t i = random.below(3) + (random.below(4) == 0 ? 0 : 1); i > 0; --i) {
    path += "/" + random_name(random);
  }
  return path.empty() ? "/" : path;
}

// Another spelling that RFC 3986 6.2.2 calls equivalent.
std::string respelled(Random& random, const std::string& path) {
  const auto in_any_case = [&random](std::string escape) {
    for (char& digit : escape) {
      if (random.below(2) == 0) digit = static_cast<char>(std::tolower(digit));
    }
    return escape;
  };
  std::string spelled;
  for (size_t at = 0; at < path.size(); ++at) {
    if (path[at] == '%') {
      const std::string escape = path.substr(at, 3);
      const auto byte = static_cast<char>(std::strtol(escape.c_str() + 1, nullptr, 16));
      const bool needless = unreserved_bytes.find(byte) != std::string_view::npos;
      spelled += needless && random.below(2) == 0 ? std::string(1, byte) : in_any_case(escape);
      at += 2;
    } else if (unreserved_bytes.find(path[at]) != std::string_view::npos && random.below(3) == 0) {
      spelled += in_any_case(escape_of(path[at]));
    } else {
      spelled += path[at];
    }
  }
  return spelled;
}

struct RouteSet {
  Config config;
  std::vector<std::string> paths;
  std::vector<bool> open;  // to the requests of this test
};

RouteSet random_routes(Random& random) {
  RouteSet set;
  for (size_t i = random.below(6) + 1; i > 0; --i) {
    RouteConfig route;
    set.paths.push_back(i == 1 && random.below(3) > 0 ? "/" : random_route(random));
    route.path = normal_path(set.paths.back());
    const size_t condition = random.below(6);
    if (condition == 0) route.match_hosts = {"other.example"};
    if (condition == 1) route.match_headers = {{"X-Missing"}};
    if (condition == 2) route.match_hosts = {"*.example"};
    if (condition == 3) route.match_headers = {{"X-Given", "1"}};
    set.open.push_back(condition > 1);
    set.config.routes.push_back(std::move(route));
  }
  set.config.index_routes();
  return set;
}

constexpr int refused = -3;

// What sluice makes of it; `target` is what goes to a server whose path is "/base".
int taken(const RouteSet& set, const std::string& path, std::string& target) {
  const Result<RequestTarget> parsed = parse_request_target(path);
  if (!parsed.ok()) return refused;
  Head head;
  head.fields = {{"x-given", "1"}};
  RouteRequest request;
  request.host = "some.example";
  request.path = parsed.value().path;
  request.head = &head;
  const RouteChoice choice = find_route(set.config, request);
  if (choice.ambiguous) return judged_ambiguous;
  if (choice.route == nullptr) return -1;
  ServerUri server;
  server.path = "/base";
  target = upstream_target(server, choice.route->path, path, "");
  // Spelled as it came, byte for byte.
  const std::string_view rest = std::string_view(target).substr(5);
  CHECK(path.ends_with(rest.substr(rest.find_first_not_of('/') == rest.npos ? rest.size() : 1)));
  return static_cast<int>(choice.route - set.config.routes.data());
}

}  // namespace

TEST_CASE("router paths: every spelling of a path takes the judge's route") {
  Random random;
  std::vector<RouteSet> sets;
  for (int i = 0; i < route_sets; ++i) sets.push_back(random_routes(random));
  int seen_refused = 0, seen_ambiguous = 0, seen_none = 0, seen_routed = 0;
  for (int i = 0; i < paths; ++i) {
    const std::string path = random_path(random);
    std::vector<std::string> ways = {path};
    while (ways.size() < spellings) ways.push_back(respelled(random, path));
    for (const RouteSet& set : sets) {
      const int judged = judged_refused(path) ? refused : judged_route(set.paths, set.open, path);
      std::string first_target;
      for (const std::string& way : ways) {
        std::string target;
        const int got = taken(set, way, target);
        if (got != judged) {
          CAPTURE(path);
          CAPTURE(way);
          REQUIRE(got == judged);
        }
        if (&way == &ways.front()) first_target = normal_path(target);
        if (normal_path(target) != first_target) REQUIRE(normal_path(target) == first_target);
      }
      ++(judged == refused            ? seen_refused
         : judged == judged_ambiguous ? seen_ambiguous
         : judged == -1               ? seen_none
                                      : seen_routed);
    }
  }
  CHECK(seen_refused > 200);
  CHECK(seen_ambiguous > 200);
  CHECK(seen_none > 200);
  CHECK(seen_routed > 2000);
}
