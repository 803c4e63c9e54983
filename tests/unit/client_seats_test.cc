// ClientSeats: each count is taken back once, whoever has it by then.
#include "core/session/client_seats.h"

#include <doctest/doctest.h>

namespace sluice {
namespace {

const ClientAddress client(Address::parse("192.0.2.1:7").value());
const ClientAddress other(Address::parse("192.0.2.2:7").value());
const ClientAddress nobody(Address::parse("unix:/run/x.sock").value());

RouteConfig route_with(uint32_t per_client, uint32_t per_route) {
  RouteConfig route;
  route.id = RouteId{3};
  route.limit_connections = {per_client, per_route};
  return route;
}

TEST_CASE("client seats: they are left with what holds them, and those handed over are not") {
  ClientLimits limits;
  const RouteConfig route = route_with(2, 2);
  CountedAs kept = 0;
  {
    ClientSeats one;
    ClientSeats two;
    ClientSeats three;
    CHECK_FALSE(one.take(limits, client, route));
    CHECK_FALSE(two.take(limits, client, route));
    CHECK(three.take(limits, client, route) == ClientLimit::connections);
    kept = two.hand_over();
    CHECK(two.hand_over() == 0);
  }
  CHECK(kept == (counted_as_client | counted_on_route));
  CHECK(limits.counts().count(*limits.keys().on_route(client, route.id)) == 1);
  CHECK(limits.counts().count(limits.keys().route(route.id)) == 1);
  leave_counts(limits, kept, client, ListenConfig(), &route);
  CHECK(limits.counts().count(*limits.keys().on_route(client, route.id)) == 0);
  CHECK(limits.counts().count(limits.keys().route(route.id)) == 0);
}

TEST_CASE("client seats: whom the route has no seat for holds none as a client") {
  ClientLimits limits;
  const RouteConfig route = route_with(5, 1);
  ClientSeats first;
  ClientSeats second;
  CHECK_FALSE(first.take(limits, client, route));
  CHECK(second.take(limits, other, route) == ClientLimit::route_connections);
  second.leave();
  CHECK(limits.counts().count(*limits.keys().on_route(other, route.id)) == 0);
  first.leave();
  CHECK_FALSE(second.take(limits, other, route));
}

TEST_CASE("client seats: a client of a unix socket counts on its route alone") {
  ClientLimits limits;
  const RouteConfig route = route_with(1, 5);
  ClientSeats one;
  ClientSeats two;
  CHECK_FALSE(one.take(limits, nobody, route));
  CHECK_FALSE(two.take(limits, nobody, route));
  CHECK(two.hand_over() == counted_on_route);
}

TEST_CASE("client seats: a listener's are its own") {
  ClientLimits limits;
  ListenConfig listener;
  listener.most_per_client = 1;
  bool counted = false;
  CHECK_FALSE(enter_listener(limits, client, listener, counted));
  CHECK(counted);
  bool again = false;
  CHECK(enter_listener(limits, client, listener, again) == ClientLimit::listener_connections);
  CHECK_FALSE(enter_listener(limits, nobody, listener, again));
  CHECK_FALSE(again);
  leave_counts(limits, counted_at_listener, client, listener, nullptr);
  CHECK_FALSE(enter_listener(limits, client, listener, again));
}

}  // namespace
}  // namespace sluice
