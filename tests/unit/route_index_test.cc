// RouteIndex: a linear search judges what it finds, over random tables of routes; and how many
// routes it asks for it.
#include "core/route_index.h"

#include <doctest/doctest.h>

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "core/router.h"
#include "protocol/ascii.h"
#include "protocol/uri.h"

using namespace sluice;

namespace {

constexpr int tables = 50;
constexpr int requests = 2'000;  // of each table

class Random {
 public:
  size_t below(size_t bound) { return source_() % bound; }
  bool chance(size_t one_in) { return below(one_in) == 0; }
  template <size_t count>
  std::string pick(const char* const (&words)[count]) {
    return words[below(count)];
  }

 private:
  std::mt19937 source_{17};
};

const char* const host_names[] = {"a.example", "b.example",       "x.a.example", "y.x.a.example",
                                  "example",   "deep.b.c.d.test", "[::1]",       "[2001:db8::a]"};
const char* const stars[] = {"*.a.example", "*.example", "*.x.a.example", "*.d.test"};
const char* const asked_hosts[] = {"A.example",
                                   "b.example.",
                                   "x.a.example",
                                   "q.a.example",
                                   "example",
                                   "y.x.a.example",
                                   ".example",
                                   "[0:0::1]",
                                   "[2001:DB8::A]",
                                   "deep.b.c.d.test",
                                   "d.test",
                                   "other",
                                   "",
                                   "1.2.3.4.5.6.7.example"};
const char* const names[] = {"a", "b", "ab", "%20", "caf%C3%A9", "c@d", "c%40d", "x.ws"};
const char* const joints[] = {"/", "/", "/", "/", "/", "/", "/", "//", "%2F", "\\"};
const char* const patterns[] = {"^/a", "\\.ws$", "b/", "(?i)^/AB(/|$)", "^/[^/]+$", "^/$"};

Pattern pattern_of(const std::string& text) {
  std::string wrong;
  return Pattern::compile(text, wrong).value();
}

std::string random_route_path(Random& random) {
  std::string path;
  for (size_t i = random.below(4); i > 0; --i) path += "/" + random.pick(names);
  return path.empty() ? "/" : normal_path(path);
}

RouteConfig random_route(Random& random) {
  RouteConfig route;
  for (size_t i = random.below(4); i > 1; --i) {
    route.match_hosts.push_back(random.chance(3) ? random.pick(stars) : random.pick(host_names));
  }
  if (random.chance(5)) route.match_headers = {{"X-Given", random.chance(2) ? "1" : "2"}};
  const size_t form = random.below(8);
  route.path = random_route_path(random);
  if (form < 2) {
    route.path_form = PathForm::exact;
    if (route.path != "/" && random.chance(4)) route.path += '/';
  } else if (form == 2) {
    route.path_form = PathForm::pattern;
    route.path = random.pick(patterns);
    route.pattern = pattern_of(route.path);
  }
  return route;
}

std::string random_path(Random& random) {
  std::string path = "/";
  for (size_t i = random.below(5); i > 0; --i) {
    path += random.pick(names);
    if (i > 1 || random.chance(4)) path += random.pick(joints);
  }
  return path;
}

bool host_judged(const std::string& wanted, std::string host) {
  if (host.size() > 1 && host.ends_with('.')) host.pop_back();
  if (wanted.starts_with('[')) {
    const Result<Address> one = Address::parse(wanted + ":1");
    const Result<Address> other = Address::parse(host + ":1");
    return other.ok() && one.value() == other.value();
  }
  host = lower_case(host);
  if (!wanted.starts_with("*.")) return host == wanted;
  return host.size() + 1 > wanted.size() && host.ends_with(wanted.substr(1));
}

// One route after the other.
bool judged(const RouteConfig& route, const std::string& host, const std::string& reading,
            const std::string& route_path) {
  bool any = route.match_hosts.empty();
  for (const std::string& wanted : route.match_hosts) any = any || host_judged(wanted, host);
  if (!any || (!route.match_headers.empty() && route.match_headers[0].value != "1")) return false;
  switch (route.path_form) {
    case PathForm::under:
      return path_is_under(reading, route_path);
    case PathForm::exact:
      return reading == route_path;
    case PathForm::pattern:
      break;
  }
  return route.pattern.found_in(reading);
}

const RouteConfig* first_judged(const Config& config, const std::string& host,
                                const std::string& path, bool decoded) {
  const std::string reading = decoded ? decoded_path(path) : normal_path(path);
  for (const RouteConfig& route : config.routes) {
    const bool pattern = route.path_form == PathForm::pattern;
    if (judged(route, host, reading, decoded && !pattern ? decoded_path(route.path) : route.path)) {
      return &route;
    }
  }
  return nullptr;
}

RouteConfig route_of(const std::string& host, const std::string& path) {
  RouteConfig route;
  if (!host.empty()) route.match_hosts = {host};
  route.path = path;
  return route;
}

}  // namespace

TEST_CASE("route index: what it finds is what a linear search finds") {
  Random random;
  Head head;
  head.fields = {{"X-Given", "1"}};
  int none = 0, ambiguous = 0, found = 0;
  for (int table = 0; table < tables; ++table) {
    Config config;
    for (size_t i = random.below(80) + 1; i > 0; --i) config.routes.push_back(random_route(random));
    config.index_routes();
    for (int i = 0; i < requests; ++i) {
      const std::string host = random.pick(asked_hosts);
      const std::string path = random_path(random);
      RouteRequest request;
      request.host = host;
      request.path = path;
      request.head = &head;
      const RouteChoice choice = find_route(config, request);
      const RouteConfig* const wanted = first_judged(config, host, path, false);
      const bool differs = first_judged(config, host, path, true) != wanted;
      if (choice.route != wanted || choice.ambiguous != differs) {
        CAPTURE(host);
        CAPTURE(path);
        REQUIRE(choice.route == wanted);
        REQUIRE(choice.ambiguous == differs);
      }
      ++(differs ? ambiguous : wanted == nullptr ? none : found);
    }
  }
  CHECK(none > 5'000);
  CHECK(ambiguous > 3'000);
  CHECK(found > 20'000);
}

TEST_CASE("route index: among 10,000 routes it asks those that host and path fit") {
  RouteIndex index;
  for (int i = 0; i < 10'000; ++i) {
    const std::string number = std::to_string(i);
    const std::string host = i % 2 == 0 ? "h" + number + ".example" : "*.d" + number + ".example";
    index.add(route_of(host, "/a/" + number));
  }
  index.add(route_of("", "/a"));
  index.add(route_of("*.example", "/"));
  CHECK(index.routes() == 10'002);
  const auto first = [&index](const char* host, const char* path, int& asked) {
    asked = 0;
    return index.first_normal(HostKey(host), path, [&asked](uint32_t) {
      ++asked;
      return true;
    });
  };
  int asked = 0;
  CHECK(first("h4444.example", "/a/4444/x", asked) == 4444);
  CHECK(asked <= 3);
  CHECK(first("x.y.d4445.example", "/a/4445", asked) == 4445);
  CHECK(asked <= 3);
  CHECK(first("h4444.example", "/a/4445", asked) == 10'000);
  CHECK(first("h4444.example", "/b", asked) == 10'001);
  CHECK(first("other", "/b", asked) == no_route_number);
  CHECK(asked == 0);
}

TEST_CASE("route index: of those that fit, the first in the file whose conditions hold") {
  RouteIndex index;
  index.add(route_of("", "/a/b"));
  index.add(route_of("a.example", "/a"));
  index.add(route_of("", "/"));
  index.add(route_of("*.example", "/a/b/c"));
  std::vector<uint32_t> asked;
  const auto first = [&](uint32_t from) {
    asked.clear();
    return index.first_normal(HostKey("A.Example"), "/a/b/c", [&](uint32_t number) {
      asked.push_back(number);
      return number >= from;
    });
  };
  CHECK(first(0) == 0);
  CHECK(first(1) == 1);
  CHECK(first(2) == 2);
  CHECK(first(3) == 3);
  CHECK(first(4) == no_route_number);
  CHECK(asked.size() == 4);
}

TEST_CASE("route index: a host with more labels than any star costs no more steps") {
  RouteIndex index;
  index.add(route_of("*.example", "/"));
  std::string host = "example";
  for (int i = 0; i < 8'000; ++i) host.insert(0, "a.");
  const auto all = [](uint32_t) { return true; };
  CHECK(index.first_normal(HostKey(host), "/", all) == 0);
  host += ".org";
  CHECK(index.first_normal(HostKey(host), "/", all) == no_route_number);
}

TEST_CASE("route index: keys of hosts") {
  CHECK(HostKey("Example.ORG.").text() == "example.org");
  CHECK(HostKey("[0:0::1]").text() == HostKey("[::1]").text());
  CHECK(HostKey("[::g]").text().empty());
  CHECK(HostKey("").text().empty());
  CHECK(HostKey(".").text() == ".");
}
