// routes-bench: what finding a route costs a request where there are 10, 1,000 and 10,000 of them.
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "core/router.h"
#include "net/check.h"

using namespace sluice;

namespace {

constexpr size_t paths_of_a_host = 10;

RouteConfig route_of(std::string host, std::string path) {
  RouteConfig route;
  if (!host.empty()) route.match_hosts = {std::move(host)};
  route.path = std::move(path);
  return route;
}

std::string host_of(size_t number) {
  return "tenant-" + std::to_string(number / paths_of_a_host) + ".example.org";
}

std::string path_of(size_t number) {
  return "/api/v1/service-" + std::to_string(number) + "/socket";
}

// Microseconds of the processor for a request, over requests that each take another route.
double measure(Config& config, bool hosts) {
  constexpr size_t requests = 200'000;
  config.index_routes();
  const size_t routes = config.routes.size();
  std::vector<std::string> all_hosts;
  std::vector<std::string> all_paths;
  for (size_t i = 0; i < routes; ++i) {
    all_hosts.push_back(hosts ? host_of(i) : "www.example.org");
    all_paths.push_back(path_of(i) + "/room/17");
  }
  const Head head;
  size_t found = 0;
  const std::clock_t begin = std::clock();
  for (size_t i = 0; i < requests; ++i) {
    const size_t wanted = i * 7919 % routes;
    RouteRequest request;
    request.host = all_hosts[wanted];
    request.path = all_paths[wanted];
    request.head = &head;
    found += find_route(config, request).route == &config.routes[wanted] ? 1u : 0u;
  }
  const std::clock_t took = std::clock() - begin;
  SLUICE_CHECK(found == requests);
  return static_cast<double>(took) / CLOCKS_PER_SEC / requests * 1'000'000;
}

double with_hosts(size_t routes) {
  Config config;
  for (size_t i = 0; i < routes; ++i) config.routes.push_back(route_of(host_of(i), path_of(i)));
  return measure(config, true);
}

double with_stars(size_t routes) {
  Config config;
  for (size_t i = 0; i < routes; ++i) {
    std::string host = "*";
    config.routes.push_back(route_of(host + host_of(i).substr(host_of(i).find('.')), path_of(i)));
  }
  return measure(config, true);
}

double with_paths(size_t routes) {
  Config config;
  for (size_t i = 0; i < routes; ++i) config.routes.push_back(route_of("", path_of(i)));
  return measure(config, false);
}

}  // namespace

int main() {
  struct Way {
    const char* name;
    double (*measure)(size_t routes);
  };
  constexpr Way ways[] = {
      {"hosts, 10 paths each", with_hosts}, {"one *.DOMAIN", with_stars}, {"no hosts", with_paths}};
  std::printf("finding a route, us of the processor\n%-22s %10s %10s %10s\n", "", "10", "1,000",
              "10,000");
  for (const Way& way : ways) {
    std::printf("%-22s %10.2f %10.2f %10.2f\n", way.name, way.measure(10), way.measure(1'000),
                way.measure(10'000));
  }
  return 0;
}
