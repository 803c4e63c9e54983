// Members: pure functions of a conf and of what its names were answered.
#include "core/members.h"

#include <algorithm>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "protocol/ascii.h"

namespace sluice {

namespace {

// RFC 2782: a weight of 0 is a chance that is small beside the others'.
uint32_t scaled(uint16_t weight, uint16_t most) {
  if (most <= most_weight) return std::max<uint32_t>(weight, 1);
  return std::max<uint32_t>(1, uint32_t{weight} * most_weight / most);
}

const NamedServer* find_named(const UpstreamConfig& upstream, uint32_t server) {
  const auto found =
      std::find_if(upstream.named.begin(), upstream.named.end(),
                   [&](const NamedServer& each) { return each.like.server == server; });
  return found == upstream.named.end() ? nullptr : &*found;
}

// There may be as many upstreams as named servers.
std::span<const NamedMembers> of_upstream(const Members& members, UpstreamId upstream) {
  const auto [first, last] = std::equal_range(
      members.named.begin(), members.named.end(), NamedMembers{.upstream = upstream},
      [](const NamedMembers& a, const NamedMembers& b) { return a.upstream < b.upstream; });
  return {first, last};
}

}  // namespace

void put_in_order(NameTargets& targets, size_t most, size_t& left_out) {
  struct Placed {
    std::string text;
    NameTarget target;
  };
  std::vector<Placed> placed;
  placed.reserve(targets.size());
  for (const NameTarget& each : targets) placed.push_back({each.address.text(), each});
  const auto order = [](const Placed& each) {
    return std::make_tuple(each.target.priority, std::string_view(each.text),
                           UINT16_MAX - each.target.weight);
  };
  std::sort(placed.begin(), placed.end(),
            [&order](const Placed& a, const Placed& b) { return order(a) < order(b); });
  std::set<std::string_view> taken;
  targets.clear();
  for (const Placed& each : placed) {
    if (!taken.insert(each.text).second) continue;
    if (targets.size() < most) {
      targets.push_back(each.target);
    } else {
      ++left_out;
    }
  }
}

void put_in_order(NameTargets& targets) {
  size_t none = 0;
  put_in_order(targets, targets.size(), none);
}

bool is_local_name(const std::string& host) {
  const std::string name = lower_case(host);
  return name == "localhost" || name.ends_with(".localhost");
}

std::vector<PeerConfig> peers_of(const NamedServer& server, const NameTargets& targets) {
  uint16_t most = 0;
  for (const NameTarget& target : targets) most = std::max(most, target.weight);
  std::vector<PeerConfig> peers;
  peers.reserve(targets.size());
  uint32_t tier = 0;
  for (size_t i = 0; i < targets.size(); ++i) {
    if (i > 0 && targets[i].priority != targets[i - 1].priority) ++tier;
    PeerConfig& peer = peers.emplace_back(server.like);
    peer.address = targets[i].address;
    peer.name = peer.address.text();
    peer.tier += tier;
    if (server.question.service) peer.weight *= scaled(targets[i].weight, most);
  }
  return peers;
}

void replace_peers(std::vector<PeerConfig>& peers, uint32_t server, std::vector<PeerConfig> now) {
  std::erase_if(peers, [&](const PeerConfig& each) { return each.server == server; });
  const auto behind = std::find_if(peers.begin(), peers.end(),
                                   [&](const PeerConfig& each) { return each.server > server; });
  peers.insert(behind, std::make_move_iterator(now.begin()), std::make_move_iterator(now.end()));
}

std::vector<NameQuestion> questions_of(const Config& config) {
  std::set<NameQuestion> questions;
  for (const UpstreamConfig& upstream : config.upstreams) {
    for (const NamedServer& each : upstream.named) questions.insert(each.question);
  }
  return {questions.begin(), questions.end()};
}

bool same_members(UpstreamId upstream, const Members& one, const Members& other) {
  const std::span<const NamedMembers> a = of_upstream(one, upstream);
  const std::span<const NamedMembers> b = of_upstream(other, upstream);
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

std::vector<PeerConfig> peers_now(const UpstreamConfig& upstream, const Members& members) {
  std::vector<PeerConfig> peers = upstream.peers;
  for (const NamedMembers& each : of_upstream(members, upstream.id)) {
    if (each.ids.size() != each.targets.size()) continue;
    const NamedServer* const server = find_named(upstream, each.server);
    if (server == nullptr) continue;
    std::vector<PeerConfig> now = peers_of(*server, each.targets);
    for (size_t i = 0; i < now.size(); ++i) now[i].id = each.ids[i];
    replace_peers(peers, each.server, std::move(now));
  }
  return peers;
}

}  // namespace sluice
