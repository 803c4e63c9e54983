// balance-bench: what choosing a peer costs a handshake, each way of balancing, over 10 and 100
// peers whose sessions 4 workers count.
#include <cstdio>
#include <vector>

#include "core/peers/upstream.h"
#include "net/sys.h"

using namespace sluice;

namespace {

constexpr uint32_t workers = 4;
constexpr size_t rounds = 200'000;

UpstreamConfig upstream_of(size_t peers, Balance balance) {
  UpstreamConfig config;
  config.balance = balance;
  for (size_t i = 0; i < peers; ++i) {
    PeerConfig& peer = config.peers.emplace_back();
    peer.id = PeerId{static_cast<uint32_t>(i)};
    peer.address = Address::from_ip("10.0.0.1", static_cast<uint16_t>(1000 + i)).value();
    peer.uri = parse_server_uri("ws://" + peer.address.text()).value();
  }
  return config;
}

// Nanoseconds of the walk's beginning and its first peer, with one session more and one less.
double measure(size_t peers, Balance balance) {
  std::vector<PeerRow> rows(workers * peers);
  std::vector<PeerHealth> health(peers);
  std::atomic<uint32_t> count{workers};
  PeerTable table({rows, health, &count}, 0);
  Upstream upstream(upstream_of(peers, balance), table, 1);
  const uint64_t begin = sys::monotonic_ns();
  for (size_t round = 0; round < rounds; ++round) {
    PeerWalk walk = upstream.begin({.key = round, .keyed = true, .now_ms = 1'000});
    const PeerId peer = *upstream.next(walk);
    table.enter(peer);
    table.leave(peer);
  }
  return static_cast<double>(sys::monotonic_ns() - begin) / rounds;
}

}  // namespace

int main() {
  constexpr std::pair<Balance, const char*> ways[] = {{Balance::round_robin, "round_robin"},
                                                      {Balance::least_conn, "least_conn"},
                                                      {Balance::random_two, "random_two"},
                                                      {Balance::hash, "hash"}};
  std::printf("choosing a peer, us\n%-12s %10s %10s\n", "", "10 peers", "100 peers");
  for (const auto& [way, name] : ways) {
    std::printf("%-12s %10.2f %10.2f\n", name, measure(10, way) / 1000, measure(100, way) / 1000);
  }
  return 0;
}
