// HealthChecks: who is checked when, and what the board says of it.
#include "core/keeper/health_checks.h"

#include <doctest/doctest.h>

#include <array>
#include <string>

#include "core/peers/peer_health.h"
#include "tests/unit/worker_testing.h"

namespace sluice {
namespace {

using Kind = CheckSettings::Kind;

// Checks of 20 ms apart, over a board of four peers.
struct Fixture {
  Fixture() { REQUIRE(reactor.open().ok()); }

  void use(const std::string& servers, const std::string& check) {
    config = testing::config_of("listen 127.0.0.1:1\nupstream up\n" + servers +
                                (check.empty() ? "" : "health_check " + check + "\n") +
                                "route /\nproxy_pass up\n");
    // Each conf of these tests is a master's first: its ids are given by hand.
    UpstreamConfig& upstream = config->upstreams[0];
    for (PeerConfig& peer : upstream.peers) peer.id = PeerId{ids.at(peer.name)};
    checks.use(*config);
  }
  std::string server(const testing::TestUpstream& upstream, uint32_t id) {
    return known(upstream.uri(), id);
  }
  std::string nobody(uint32_t id) { return known(testing::nobody_uri(), id); }
  std::string known(const std::string& uri, uint32_t id) {
    ids[uri.substr(5)] = id;
    return "server " + uri + "\n";
  }
  template <class Done>
  bool turn_until(Done done) {
    for (int i = 0; i < testing::patience_ms && !done(); ++i) reactor.turn(1);
    return done();
  }
  bool comes_to_be(PeerCheck state, uint32_t id = 0) {
    return turn_until([&] { return health[id].check == state; });
  }

  std::map<std::string, uint32_t> ids;
  std::unique_ptr<Config> config;
  Reactor reactor;
  Log log;
  std::array<PeerHealth, 4> health;
  HealthChecks checks{reactor, log, health, 0};
};

const std::string quick = "tcp interval=20ms";

TEST_CASE("health checks: the first outcome decides, then fall and rise in a row") {
  Fixture f;
  std::optional<testing::TestUpstream> upstream(std::in_place);
  const std::string line = f.server(*upstream, 0);
  f.use(line, quick + " rise=2 fall=3");
  CHECK(f.checks.size() == 1);
  CHECK(standing_of(f.health[0], 1) == Standing::up);
  CHECK(f.comes_to_be(PeerCheck::up));
  CHECK(f.health[0].checks == 1);
  CHECK(f.health[0].since_ms == 0);
  upstream.reset();
  CHECK(f.turn_until([&] { return f.health[0].failed_checks == 2; }));
  CHECK(f.health[0].check == PeerCheck::up);
  CHECK(f.comes_to_be(PeerCheck::down));
  CHECK(f.health[0].failed_checks == 3);
  CHECK(f.health[0].latest_check == PeerFault::error);
  CHECK(f.health[0].outs == 1);
  CHECK(f.health[0].since_ms > 0);
  CHECK(standing_of(f.health[0], ~uint64_t{0}) == Standing::out);
}

TEST_CASE("health checks: a peer that is dead at the first check is out, and comes back") {
  Fixture f;
  testing::Descriptor listener = testing::bound_socket(testing::loopback());
  const std::string uri = "ws://" + sys::local_address(listener.get()).text();
  f.use(f.known(uri, 2), quick + " rise=3 fall=3");
  CHECK(f.comes_to_be(PeerCheck::down, 2));
  CHECK(f.health[2].failed_checks == 1);
  f.health[2].out_until_ms = ~uint64_t{0};  // sessions failed as well
  REQUIRE(sys::listen(listener.get(), 64) == 0);
  const uint64_t went_ms = f.health[2].since_ms;
  CHECK(f.comes_to_be(PeerCheck::up, 2));
  CHECK(f.health[2].checks - f.health[2].failed_checks == 3);
  CHECK(f.health[2].since_ms > went_ms);
  CHECK(standing_of(f.health[2], 1) == Standing::up);
  CHECK(share_of_weight(f.health[2], 3'600'000, f.reactor.now_ms()) == 1);
}

TEST_CASE("health checks: one at a time for each peer, an interval apart, scattered") {
  Fixture f;
  const testing::TestUpstream upstream;
  const std::string line = f.server(upstream, 0);
  f.use(line + line, "tcp interval=50ms timeout=50ms");
  CHECK(f.checks.size() == 1);
  CHECK(f.turn_until([&] { return f.health[0].checks >= 1; }));
  const uint64_t begin_ms = sys::monotonic_ms();
  const uint32_t before = f.health[0].checks;
  CHECK(f.turn_until([&] { return f.health[0].checks >= before + 10; }));
  const uint64_t taken_ms = sys::monotonic_ms() - begin_ms;
  CHECK(taken_ms >= 10 * 45);  // none is early, by more than a tenth
  CHECK(f.health[0].failed_checks == 0);
}

TEST_CASE("health checks: a peer that hangs fails when its time is over") {
  Fixture f;
  const testing::TestUpstream upstream;
  f.use(f.server(upstream, 0), "http / interval=60ms timeout=30ms");
  CHECK(f.comes_to_be(PeerCheck::down));
  CHECK(f.health[0].latest_check == PeerFault::timeout);
  CHECK(f.turn_until([&] { return f.health[0].failed_checks >= 3; }));
}

TEST_CASE("health checks: a conf takes them away, changes them, or leaves them as they are") {
  Fixture f;
  const testing::TestUpstream well;
  const std::string dead = f.nobody(0);
  const std::string good = f.server(well, 1);
  f.use(dead + good, quick);
  CHECK(f.comes_to_be(PeerCheck::down, 0));
  CHECK(f.comes_to_be(PeerCheck::up, 1));
  // The same: nothing begins anew.
  f.use(dead + good, quick);
  CHECK(f.health[0].check == PeerCheck::down);
  CHECK(f.checks.size() == 2);
  // Another check: what was found stands until the new one has found otherwise.
  f.use(dead + good, "tcp interval=1h");
  CHECK(f.health[0].check == PeerCheck::down);
  CHECK(f.health[1].check == PeerCheck::up);
  CHECK(f.reactor.armed_timers() == 2);
  // One server less, then no check.
  f.use(good, quick);
  CHECK(f.checks.size() == 1);
  CHECK(f.health[0].check == PeerCheck::none);
  CHECK(f.health[1].check == PeerCheck::up);
  f.use(dead + good, "");
  CHECK(f.checks.size() == 0);
  CHECK(f.health[1].check == PeerCheck::none);
  CHECK(f.reactor.armed_timers() == 0);
  const uint32_t made = f.health[1].checks;
  for (int i = 0; i < 50; ++i) f.reactor.turn(1);
  CHECK(f.health[1].checks == made);
}

TEST_CASE("health checks: what an earlier keeper found of peers that nobody checks any more") {
  Fixture f;
  f.health[3].check = PeerCheck::down;
  f.health[2].check = PeerCheck::down;
  HealthChecks later(f.reactor, f.log, f.health, 3);
  const testing::TestUpstream well;
  f.use(f.server(well, 1), "");
  CHECK(f.health[2].check == PeerCheck::down);  // an id that this one knows nothing of
  later.use(*f.config);
  CHECK(f.health[2].check == PeerCheck::none);
  CHECK(f.health[3].check == PeerCheck::down);
}

TEST_CASE("health checks: peers beyond the room for their state are not checked") {
  Fixture f;
  const testing::TestUpstream well;
  f.use(f.server(well, 9), quick);
  CHECK(f.checks.size() == 0);
  CHECK(asks_for_checks(*f.config));
  f.use(f.server(well, 1), "");
  CHECK_FALSE(asks_for_checks(*f.config));
}

}  // namespace
}  // namespace sluice
