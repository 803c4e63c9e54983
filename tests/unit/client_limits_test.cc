// ClientLimits: who is one client, and a worker without memory of others.
#include "core/session/client_limits.h"

#include <doctest/doctest.h>

#include <string>

namespace sluice {
namespace {

const ClientKeys keys(SipKey{1, 2});

std::optional<ClientKey> of(const std::string& address) {
  return keys.on_route(ClientAddress(Address::parse(address).value()), RouteId{1});
}

TEST_CASE("client limits: an IPv4 address is a client, and the /64 of an IPv6 one") {
  CHECK(of("192.0.2.1:1") == of("192.0.2.1:65535"));
  CHECK(of("192.0.2.1:1") != of("192.0.2.2:1"));
  CHECK(of("[::ffff:192.0.2.1]:1") == of("192.0.2.1:1"));
  CHECK(of("[2001:db8:1:2::1]:1") == of("[2001:db8:1:2:ffff:ffff:ffff:ffff]:9"));
  CHECK(of("[2001:db8:1:2::1]:1") != of("[2001:db8:1:3::1]:1"));
  CHECK(of("[c000:0201::]:1") != of("192.0.2.1:1"));
  CHECK_FALSE(of("unix:/run/x.sock"));
}

TEST_CASE("client limits: each kind and each route or listener counts apart") {
  const ClientAddress client(Address::parse("192.0.2.1:1").value());
  const auto on_route = keys.on_route(client, RouteId{1});
  CHECK(on_route != keys.on_route(client, RouteId{2}));
  CHECK(on_route != keys.at_listener(client, ListenerId{1}));
  CHECK(on_route != keys.handshakes_on(client, RouteId{1}));
  CHECK(keys.route(RouteId{1}) != keys.route(RouteId{2}));
  CHECK(on_route != ClientKeys(SipKey{1, 3}).on_route(client, RouteId{1}));
}

TEST_CASE("client limits: a worker by itself counts for itself") {
  ClientLimits limits;
  const ClientKey key{5};
  CHECK(limits.counts().enter(key, 1) == ClientCounts::Outcome::entered);
  CHECK(limits.counts().enter(key, 1) == ClientCounts::Outcome::over);
  CHECK(limits.counts().count(key) == 1);
  CHECK(limits.rates().take(key, {1, 1, 1}, 1).wait_ns == 0);
  CHECK(limits.rates().take(key, {1, 1, 1}, 1).wait_ns > 0);
}

}  // namespace
}  // namespace sluice
