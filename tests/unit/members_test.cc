// Members: which peers a name's answer makes, and where they stand among the others.
#include "core/members.h"

#include <doctest/doctest.h>

#include <string>

using namespace sluice;

namespace {

NameTarget target(const char* address, uint16_t priority = 0, uint16_t weight = 0) {
  return {Address::parse(address).value(), priority, weight};
}

PeerConfig peer(const char* address, uint32_t server) {
  PeerConfig peer;
  peer.address = Address::parse(address).value();
  peer.name = address;
  peer.server = server;
  return peer;
}

NamedServer named(const char* host, uint32_t server, bool service = false) {
  NamedServer named;
  named.question = {host, static_cast<uint16_t>(service ? 0 : 80), service};
  named.like.uri = parse_server_uri(std::string(service ? "srv+ws://" : "ws://") + host).value();
  named.like.server = server;
  return named;
}

std::string names_of(const std::vector<PeerConfig>& peers) {
  std::string all;
  for (const PeerConfig& each : peers) all += each.name + " ";
  return all;
}

}  // namespace

TEST_CASE("members: each address is a peer like its server, and weights are the server's alone") {
  NamedServer server = named("a.example", 3);
  server.like.weight = 7;
  server.like.max_connections = 5;
  const std::vector<PeerConfig> peers =
      peers_of(server, {target("10.0.0.1:80", 0, 50), target("10.0.0.2:80")});
  REQUIRE(peers.size() == 2);
  CHECK(names_of(peers) == "10.0.0.1:80 10.0.0.2:80 ");
  for (const PeerConfig& each : peers) {
    CHECK(each.weight == 7);
    CHECK(each.max_connections == 5);
    CHECK(each.server == 3);
    CHECK(each.tier == 0);
    CHECK(each.uri.host == "a.example");
  }
}

TEST_CASE("members: a service's priorities are tiers, its weights shares that keep their ratio") {
  NamedServer server = named("_ws._tcp.example.org", 0, true);
  server.like.weight = 2;
  server.like.tier = backup_tier;
  const std::vector<PeerConfig> peers =
      peers_of(server, {target("10.0.0.1:1", 5, 60'000), target("10.0.0.2:1", 5, 30'000),
                        target("10.0.0.3:1", 5, 0), target("10.0.0.4:1", 9, 1)});
  REQUIRE(peers.size() == 4);
  CHECK(peers[0].weight == 2 * most_weight);
  CHECK(peers[1].weight == most_weight);
  CHECK(peers[2].weight == 2);  // never nothing
  CHECK(peers[0].tier == backup_tier);
  CHECK(peers[3].tier == backup_tier + 1);
  CHECK(peers[0].uri.host == "example.org");
  // Small ones stay what they are.
  CHECK(peers_of(server, {target("10.0.0.1:1", 0, 3)})[0].weight == 6);
}

TEST_CASE("members: what a name leads to stands where its line stood") {
  UpstreamConfig upstream;
  upstream.id = UpstreamId{4};
  upstream.peers = {peer("10.0.0.1:80", 0), peer("10.9.9.9:80", 1), peer("10.0.0.3:80", 2)};
  upstream.named = {named("a.example", 1), named("b.example", 3)};
  const NamedMembers first{
      UpstreamId{4}, 1, {target("10.1.0.1:80"), target("10.1.0.2:80")}, {PeerId{8}, PeerId{9}}};
  const NamedMembers second{UpstreamId{4}, 3, {target("10.2.0.1:80")}, {PeerId{10}}};
  Members members{1, {first}};
  const std::vector<PeerConfig> now = peers_now(upstream, members);
  CHECK(names_of(now) == "10.0.0.1:80 10.1.0.1:80 10.1.0.2:80 10.0.0.3:80 ");
  CHECK(now[1].id == PeerId{8});
  members.named.push_back(second);
  CHECK(names_of(peers_now(upstream, members)) ==
        "10.0.0.1:80 10.1.0.1:80 10.1.0.2:80 10.0.0.3:80 10.2.0.1:80 ");
  members.named = {{UpstreamId{4}, 1, {}, {}}};
  CHECK(names_of(peers_now(upstream, members)) == "10.0.0.1:80 10.0.0.3:80 ");
  // Of another upstream, of no named server, with too few ids.
  members.named = {{UpstreamId{4}, 2, {}, {}},
                   {UpstreamId{4}, 1, {target("10.1.0.1:80")}, {}},
                   {UpstreamId{5}, 1, {}, {}}};
  CHECK(names_of(peers_now(upstream, members)) == names_of(upstream.peers));
}

TEST_CASE("members: whether one upstream's are the same") {
  const NamedMembers one{UpstreamId{1}, 0, {target("10.1.0.1:80")}, {PeerId{1}}};
  NamedMembers other = one;
  other.upstream = UpstreamId{2};
  const Members both{1, {one, other}};
  CHECK(same_members(UpstreamId{1}, both, {1, {one}}));
  CHECK_FALSE(same_members(UpstreamId{2}, both, {1, {one}}));
  other.ids = {PeerId{7}};
  CHECK_FALSE(same_members(UpstreamId{2}, both, {1, {one, other}}));
}

TEST_CASE("members: the questions of a conf, each once") {
  Config config;
  config.upstreams.resize(2);
  config.upstreams[0].named = {named("b.example", 0), named("a.example", 1)};
  config.upstreams[1].named = {named("b.example", 0)};
  const std::vector<NameQuestion> questions = questions_of(config);
  REQUIRE(questions.size() == 2);
  CHECK(questions[0].host == "a.example");
  CHECK(questions[1].host == "b.example");
}

TEST_CASE("members: answers are sorted by priority, then by address, each once") {
  NameTargets one = {target("10.0.0.2:1", 1), target("10.0.0.1:1", 2), target("10.0.0.3:1", 1),
                     target("10.0.0.2:1", 1, 9)};
  NameTargets other = {one[2], one[3], one[0], one[1]};
  put_in_order(one);
  put_in_order(other);
  CHECK(one == other);
  REQUIRE(one.size() == 3);
  CHECK(one[0] == target("10.0.0.2:1", 1, 9));
  CHECK(one[2] == target("10.0.0.1:1", 2));
}

TEST_CASE("members: localhost and what is under it") {
  CHECK(is_local_name("localhost"));
  CHECK(is_local_name("LocalHost"));
  CHECK(is_local_name("a.localhost"));
  CHECK_FALSE(is_local_name("notlocalhost"));
  CHECK_FALSE(is_local_name("localhost.example"));
}
