// Upstream: round robin over walks, and every peer once within one walk.
#include "core/peers/upstream.h"

#include <doctest/doctest.h>

#include <string>

using namespace sluice;

namespace {

UpstreamConfig upstream_of(size_t peers) {
  UpstreamConfig config;
  for (size_t i = 0; i < peers; ++i) {
    config.peers.emplace_back().name = std::string(1, static_cast<char>('a' + i));
  }
  return config;
}

// The names of one walk's peers, in order.
std::string walk_through(Upstream& upstream) {
  std::string names;
  PeerWalk walk = upstream.begin();
  while (const PeerConfig* peer = upstream.next(walk)) names += peer->name;
  CHECK(upstream.next(walk) == nullptr);
  return names;
}

}  // namespace

TEST_CASE("upstream: each walk begins one peer further and tries every peer once") {
  const UpstreamConfig config = upstream_of(3);
  Upstream upstream(config, 0);
  CHECK(walk_through(upstream) == "abc");
  CHECK(walk_through(upstream) == "bca");
  CHECK(walk_through(upstream) == "cab");
  CHECK(walk_through(upstream) == "abc");
}

TEST_CASE("upstream: the seed chooses the first peer") {
  const UpstreamConfig config = upstream_of(3);
  for (const uint32_t seed : {1u, 4u, 0xffffffffu - 2}) {
    CAPTURE(seed);
    Upstream upstream(config, seed);
    CHECK(walk_through(upstream) == std::string(seed % 3 == 1 ? "bca" : "abc"));
  }
  Upstream last(config, 0xffffffffu);  // 0 modulo 3
  CHECK(walk_through(last) == "abc");
}

TEST_CASE("upstream: a walk that is left early does not disturb the next one") {
  const UpstreamConfig config = upstream_of(2);
  Upstream upstream(config, 0);
  PeerWalk first = upstream.begin();
  PeerWalk second = upstream.begin();
  CHECK(upstream.next(first)->name == "a");
  CHECK(upstream.next(second)->name == "b");
  CHECK(upstream.next(first)->name == "b");
  CHECK(upstream.next(second)->name == "a");
}

TEST_CASE("upstream: a single peer is tried once a walk") {
  const UpstreamConfig config = upstream_of(1);
  Upstream upstream(config, 12345);
  CHECK(walk_through(upstream) == "a");
  CHECK(walk_through(upstream) == "a");
}
