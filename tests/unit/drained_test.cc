// Drained: which routes and listeners get no new sessions.
#include "core/session/drained.h"

#include <doctest/doctest.h>

namespace sluice {
namespace {

RouteConfig route_of(const char* path, uint32_t upstream) {
  RouteConfig route;
  route.path = path;
  route.upstream = UpstreamId{upstream};
  return route;
}

TEST_CASE("drained: by the route's path, by its upstream, and by the listener") {
  Drained drained;
  CHECK_FALSE(drained.refusal(route_of("/a", 1)));
  CHECK(drained.refusal(ListenerId{0}) == nullptr);
  drained.use({{Part::Kind::route, UpstreamId{}, ListenerId{}, "/a"},
               {Part::Kind::upstream, UpstreamId{2}, ListenerId{}, ""},
               {Part::Kind::listener, UpstreamId{}, ListenerId{3}, ""},
               {Part::Kind::server, UpstreamId{1}, ListenerId{}, "ws://x"}});
  const auto by_path = drained.refusal(route_of("/a", 1));
  REQUIRE(by_path);
  CHECK(by_path->status == 503);
  CHECK(by_path->detail == "route /a");
  const auto by_upstream = drained.refusal(route_of("/b", 2));
  REQUIRE(by_upstream);
  CHECK(by_upstream->detail == "the upstream of route /b");
  CHECK_FALSE(drained.refusal(route_of("/b", 1)));
  CHECK_FALSE(drained.refusal(route_of("/a/b", 1)));
  CHECK_FALSE(drained.refusal(route_of("/b", 0)));
  REQUIRE(drained.refusal(ListenerId{3}) != nullptr);
  CHECK(drained.refusal(ListenerId{3})->status == 503);
  CHECK(drained.refusal(ListenerId{0}) == nullptr);
  drained.use({});
  CHECK_FALSE(drained.refusal(route_of("/a", 2)));
}

}  // namespace
}  // namespace sluice
