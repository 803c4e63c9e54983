// Upstream: round robin over walks, and every peer once within one walk; and which peers stay when
// one upstream takes another one's place.
#include "core/peers/upstream.h"

#include <doctest/doctest.h>

#include <string>

using namespace sluice;

namespace {

// With peers "a", "b" and so on, whose ids begin at 0.
UpstreamConfig upstream_of(size_t peers) {
  UpstreamConfig config;
  for (size_t i = 0; i < peers; ++i) {
    PeerConfig& peer = config.peers.emplace_back();
    peer.id = PeerId{static_cast<uint32_t>(i)};
    peer.name = std::string(1, static_cast<char>('a' + i));
  }
  return config;
}

// The names of one walk's peers, in order.
std::string walk_through(Upstream& upstream, PeerTable& peers) {
  std::string names;
  PeerWalk walk = upstream.begin();
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
  PeerWalk first = upstream.begin();
  PeerWalk second = upstream.begin();
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

TEST_CASE("upstream table: upstreams by id, wherever their ids begin") {
  UpstreamTable upstreams;
  UpstreamConfig config = upstream_of(2);
  config.id = UpstreamId{7};
  upstreams.add(config, 1);
  CHECK(walk_through(upstreams.at(UpstreamId{7}), upstreams.peers()) == "ba");
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
