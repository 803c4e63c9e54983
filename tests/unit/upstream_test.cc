// Upstream: round robin over walks, and every peer once within one walk; and which peers stay when
// one upstream takes another one's place.
#include "core/peers/upstream.h"

#include <doctest/doctest.h>

#include <string>

#include "core/peers/peer_health.h"

using namespace sluice;

namespace {

// With peers "a", "b" and so on, whose ids begin at 0.
UpstreamConfig upstream_of(size_t peers) {
  UpstreamConfig config;
  for (size_t i = 0; i < peers; ++i) {
    PeerConfig& peer = config.peers.emplace_back();
    peer.id = PeerId{static_cast<uint32_t>(i)};
    peer.address = Address::from_ip("10.0.0.1", static_cast<uint16_t>(1 + i)).value();
    peer.name = std::string(1, static_cast<char>('a' + i));
  }
  return config;
}

// The names of one walk's peers, in order.
std::string walk_through(Upstream& upstream, PeerTable& peers) {
  std::string names;
  PeerWalk walk = upstream.begin({});
  while (const std::optional<PeerId> peer = upstream.next(walk)) names += peers.at(*peer).name;
  CHECK_FALSE(upstream.has_next(walk));
  CHECK(upstream.next(walk) == std::nullopt);
  return names;
}

}  // namespace

TEST_CASE("upstream: each walk begins one peer further and tries every peer once") {
  PeerTable peers;
  Upstream upstream(upstream_of(3), peers, 0);
  CHECK(walk_through(upstream, peers) == "abc");
  CHECK(walk_through(upstream, peers) == "bca");
  CHECK(walk_through(upstream, peers) == "cab");
  CHECK(walk_through(upstream, peers) == "abc");
}

TEST_CASE("upstream: who is drained has no turn, and leaves it to all others alike") {
  PeerTable peers;
  Upstream upstream(upstream_of(4), peers, 0);
  peers.at(PeerId{1}).drain = 5;
  CHECK_FALSE(upstream.all_drained());
  CHECK(walk_through(upstream, peers) == "acd");
  CHECK(walk_through(upstream, peers) == "cda");
  CHECK(walk_through(upstream, peers) == "dac");
  CHECK(walk_through(upstream, peers) == "acd");
  const auto told = [&](PeerId id) { return peers.board().health(id).draining.load(); };
  upstream.mark_drained([](const ServerUri&) { return 1u; }, false);
  CHECK(upstream.all_drained());
  CHECK(walk_through(upstream, peers).empty());
  CHECK(told(PeerId{0}));
  upstream.mark_drained([](const ServerUri&) { return 0u; }, true);
  CHECK(told(PeerId{0}));
  upstream.mark_drained([](const ServerUri&) { return 0u; }, false);
  CHECK_FALSE(told(PeerId{0}));
  CHECK(walk_through(upstream, peers).size() == 4);
}

TEST_CASE("upstream: the seed chooses the first peer") {
  PeerTable peers;
  for (const uint32_t seed : {1u, 4u, 0xffffffffu - 2}) {
    CAPTURE(seed);
    Upstream upstream(upstream_of(3), peers, seed);
    CHECK(walk_through(upstream, peers) == std::string(seed % 3 == 1 ? "bca" : "abc"));
  }
  Upstream last(upstream_of(3), peers, 0xffffffffu);  // 0 modulo 3
  CHECK(walk_through(last, peers) == "abc");
}

TEST_CASE("upstream: a walk that is left early does not disturb the next one") {
  PeerTable peers;
  Upstream upstream(upstream_of(2), peers, 0);
  PeerWalk first = upstream.begin({});
  PeerWalk second = upstream.begin({});
  CHECK(upstream.next(first) == PeerId{0});
  CHECK(upstream.next(second) == PeerId{1});
  CHECK(upstream.next(first) == PeerId{1});
  CHECK(upstream.next(second) == PeerId{0});
}

TEST_CASE("upstream: a single peer is tried once a walk") {
  PeerTable peers;
  Upstream upstream(upstream_of(1), peers, 12345);
  CHECK(walk_through(upstream, peers) == "a");
  CHECK(walk_through(upstream, peers) == "a");
}

TEST_CASE("upstream: it counts as a user of its peers, of one that it lists twice as well") {
  PeerTable peers;
  {
    UpstreamConfig config = upstream_of(2);
    config.peers.push_back(config.peers[0]);
    Upstream upstream(config, peers, 0);
    CHECK(peers.size() == 2);
    CHECK(walk_through(upstream, peers) == "aba");
  }
  CHECK(peers.size() == 0);
}

TEST_CASE("upstream: those that are out come last, and one walk tries who is due") {
  PeerTable peers;
  Upstream upstream(upstream_of(3), peers, 0);
  const auto order = [&](uint64_t now_ms) {
    std::string names;
    PeerWalk walk = upstream.begin({.now_ms = now_ms, .probe_ms = 100});
    names = walk.probes ? "!" : "";
    while (const std::optional<PeerId> peer = upstream.next(walk)) names += peers.at(*peer).name;
    return names;
  };
  peers.board().health(PeerId{0}).out_until_ms = 5'000;
  CHECK(order(1'000).ends_with("a"));
  CHECK(order(4'999).ends_with("a"));
  CHECK(order(5'000).starts_with("!a"));
  CHECK(order(5'050).ends_with("a"));
  CHECK(order(5'100).starts_with("!a"));  // who tried it never told
  peers.board().health(PeerId{0}).out_until_ms = 0;
  CHECK(order(6'000).size() == 3);
}

TEST_CASE("upstream: a backup that is out is tried only where no other one is up") {
  PeerTable peers;
  UpstreamConfig config = upstream_of(2);
  config.peers[1].tier = backup_tier;
  Upstream upstream(config, peers, 0);
  peers.board().health(PeerId{1}).out_until_ms = 5'000;
  const Upstream::Request request{.now_ms = 6'000, .probe_ms = 100};
  CHECK_FALSE(upstream.begin(request).probes);
  peers.board().health(PeerId{0}).out_until_ms = 9'000;
  CHECK(upstream.begin(request).probes);
}

TEST_CASE("upstream: a full peer has no turn, not even in a walk that has begun") {
  PeerTable peers;
  UpstreamConfig config = upstream_of(2);
  config.peers[0].max_connections = 2;
  Upstream upstream(config, peers, 0);
  peers.enter(PeerId{0});
  PeerWalk walk = upstream.begin({});
  CHECK(walk.order.size() == 2);
  peers.enter(PeerId{0});
  CHECK(upstream.next(walk) == PeerId{1});
  CHECK(upstream.begin({}).order.size() == 1);
  peers.leave(PeerId{0});
  CHECK(upstream.begin({}).order.size() == 2);
  peers.leave(PeerId{0});
}

TEST_CASE("upstream: a token leads to its peer while that is up") {
  PeerTable peers;
  UpstreamConfig config = upstream_of(3);
  CHECK(Upstream(config, peers, 0).token(PeerId{1}).empty());
  config.sticky.cookie = "where";
  const Digest key{1, 2, 3};
  Upstream upstream(config, peers, 0, key);
  const std::string token(upstream.token(PeerId{1}));
  CHECK(token.size() == 32);
  CHECK(token != upstream.token(PeerId{0}));
  CHECK(Upstream(config, peers, 5, key).token(PeerId{1}) == token);
  CHECK(Upstream(config, peers, 0).token(PeerId{1}) != token);
  const auto first = [&](const std::string& of) {
    return upstream.begin({.now_ms = 100, .probe_ms = 100, .token = of}).order.front();
  };
  for (int i = 0; i < 5; ++i) CHECK(first(token) == PeerId{1});
  int elsewhere = 0;
  for (int i = 0; i < 6; ++i) elsewhere += first(std::string(32, '0')) != PeerId{1};
  CHECK(elsewhere == 4);  // its turn, as of others
  peers.board().health(PeerId{1}).out_until_ms = 1'000;
  for (int i = 0; i < 5; ++i) CHECK(first(token) != PeerId{1});
}

TEST_CASE("upstream table: upstreams by id, wherever their ids begin") {
  UpstreamTable upstreams;
  UpstreamConfig config = upstream_of(2);
  config.id = UpstreamId{7};
  upstreams.add(config, 1);
  CHECK(walk_through(upstreams.at(UpstreamId{7}), upstreams.peers()) == "ba");
}

TEST_CASE("upstream table: an upstream of the same peers keeps its turn and takes the newer TLS") {
  UpstreamTable upstreams;
  UpstreamConfig config = upstream_of(3);
  upstreams.add(config, 0);
  Upstream* const before = &upstreams.at(UpstreamId{0});
  CHECK(walk_through(*before, upstreams.peers()) == "abc");
  config.tls = std::move(TlsClient::make({}).value());
  upstreams.add(config, 0);
  CHECK(&upstreams.at(UpstreamId{0}) == before);
  CHECK(before->tls() == config.tls);
  CHECK(walk_through(*before, upstreams.peers()) == "bca");
}

TEST_CASE("upstream table: what no conf has any more goes with its peers, but for those in use") {
  UpstreamTable upstreams;
  upstreams.add(upstream_of(1), 0);
  UpstreamConfig other = upstream_of(2);
  other.id = UpstreamId{4};
  other.peers.erase(other.peers.begin());
  upstreams.add(other, 0);
  CHECK(upstreams.size() == 2);
  {
    PeerUse use(upstreams.peers());
    use.choose(PeerId{1});
    upstreams.keep_only([](UpstreamId id) { return id == UpstreamId{0}; });
    CHECK(upstreams.size() == 1);
    CHECK(upstreams.peers().size() == 2);
  }
  CHECK(upstreams.peers().size() == 1);
}

TEST_CASE("upstream table: peers that a conf lists no more are gone where sessions are to go") {
  UpstreamTable upstreams;
  PeerTable& peers = upstreams.peers();
  Config config;
  config.upstreams.push_back(upstream_of(3));
  upstreams.add(config.upstreams[0], 0);
  for (uint32_t id = 0; id < 3; ++id) peers.enter(PeerId{id});
  UpstreamConfig& now = config.upstreams[0];
  now.peers.erase(now.peers.begin() + 1);
  CHECK_FALSE(upstreams.mark_gone(config, 1));
  now.on_peer_gone = OnPeerGone::drain;
  CHECK(upstreams.mark_gone(config, 1));
  upstreams.add(now, 0);
  CHECK(peers.at(PeerId{0}).gone == 0);
  CHECK(peers.at(PeerId{1}).gone == 1);
  CHECK_FALSE(upstreams.mark_gone(config, 1));  // nobody more
  CHECK(peers.at(PeerId{1}).gone == 1);
  // It comes back before its session went.
  config.upstreams[0] = upstream_of(3);
  config.upstreams[0].on_peer_gone = OnPeerGone::drain;
  CHECK_FALSE(upstreams.mark_gone(config, 1));
  upstreams.add(config.upstreams[0], 0);
  CHECK(peers.at(PeerId{1}).gone == 0);
  // The whole upstream goes, which said so while it was there.
  config.upstreams.clear();
  CHECK(upstreams.mark_gone(config, 1));
  CHECK(peers.at(PeerId{2}).gone == 1);
  for (uint32_t id = 0; id < 3; ++id) peers.leave(PeerId{id});
}

TEST_CASE("upstream table: what takes an upstream's place keeps the peers that both list") {
  UpstreamTable upstreams;
  PeerTable& peers = upstreams.peers();
  upstreams.add(upstream_of(3), 0);
  const Peer* const kept = &peers.at(PeerId{1});
  UpstreamConfig newer = upstream_of(4);
  newer.peers.erase(newer.peers.begin());
  upstreams.add(newer, 0);
  CHECK(walk_through(upstreams.at(UpstreamId{0}), peers) == "bcd");
  CHECK(&peers.at(PeerId{1}) == kept);
  CHECK(peers.size() == 3);
}

TEST_CASE("upstream: whom a check put out gets no session while another one is not out") {
  PeerTable peers;
  Upstream upstream(upstream_of(3), peers, 0);
  put_out_by_check(peers.board().health(PeerId{1}), 1);
  CHECK(walk_through(upstream, peers) == "ac");
  CHECK(walk_through(upstream, peers) == "ca");
  // One that sessions put out is behind those that are up, and is still asked.
  peers.board().health(PeerId{0}).out_until_ms = 1'000;
  CHECK(walk_through(upstream, peers) == "ca");
  put_out_by_check(peers.board().health(PeerId{2}), 1);
  CHECK(walk_through(upstream, peers).size() == 3);  // all are out
  peers.board().health(PeerId{0}).out_until_ms = 0;
  CHECK(walk_through(upstream, peers) == "a");
  bring_back_by_check(peers.board().health(PeerId{1}), 1);
  CHECK(walk_through(upstream, peers).size() == 2);
}

TEST_CASE("upstream: peers of a higher tier only where those of all lower ones are out") {
  PeerTable peers;
  UpstreamConfig config = upstream_of(4);
  config.health.max_fails = 1;
  config.peers[1].tier = 1;
  config.peers[2].tier = 2;
  config.peers[3].tier = backup_tier;
  Upstream upstream(config, peers, 0);
  CHECK(walk_through(upstream, peers) == "abcd");
  note_failure(peers.board(), PeerId{0}, PeerFault::error, config.health, 1);
  CHECK(walk_through(upstream, peers) == "bcda");
  note_failure(peers.board(), PeerId{1}, PeerFault::error, config.health, 1);
  CHECK(walk_through(upstream, peers).substr(0, 2) == "cd");
}

TEST_CASE("upstream: without a peer every walk is empty") {
  PeerTable peers;
  Upstream upstream(upstream_of(0), peers, 7);
  CHECK(upstream.empty());
  CHECK(walk_through(upstream, peers).empty());
}

TEST_CASE("upstream: who a check finds to be down is gone until it is up, where it is to be so") {
  PeerTable peers;
  UpstreamConfig config = upstream_of(2);
  config.check.kind = CheckSettings::Kind::tcp;
  Upstream keeping(config, peers, 0);
  put_out_by_check(peers.board().health(PeerId{1}), 5);
  CHECK_FALSE(keeping.mark_unwell(1));
  CHECK(peers.at(PeerId{1}).gone == 0);
  config.on_peer_gone = OnPeerGone::drain;
  Upstream draining(config, peers, 0);
  CHECK(draining.mark_unwell(1));
  CHECK(peers.at(PeerId{1}).gone == 1);
  CHECK(peers.at(PeerId{0}).gone == 0);
  CHECK_FALSE(draining.mark_unwell(2));  // it is so already
  CHECK(peers.at(PeerId{1}).gone == 1);
  bring_back_by_check(peers.board().health(PeerId{1}), 6);
  CHECK_FALSE(draining.mark_unwell(1));
  CHECK(peers.at(PeerId{1}).gone == 0);
}
