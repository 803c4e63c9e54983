// A peer's number outlives its place in an answer, so that an address that comes back soon is the
// same peer, with its sessions and what is known of its health.
#include "core/process/membership.h"

#include <utility>
#include <vector>

#include "core/peers/peer_health.h"

namespace sluice {

void Membership::use_conf(const Config& config, uint32_t generation, bool all_told) {
  NameAnswers kept;
  for (NameQuestion& question : questions_of(config)) {
    if (auto known = answers_.extract(question)) kept.insert(std::move(known));
  }
  answers_ = std::move(kept);
  members_ = {.generation = generation, .named = {}};
  if (!all_told) left_ms_.clear();
  for (const PeerId id : listed(config)) left_ms_.erase(id);
}

bool Membership::take(NameAnswers found, const Config& config, ConfIds& ids, uint64_t now_ms) {
  bool any = false;
  for (const NameQuestion& question : questions_of(config)) {
    const auto answer = found.find(question);
    if (answer == found.end()) continue;
    NameTargets& known = answers_[question];
    if (known == answer->second) continue;
    known = std::move(answer->second);
    any = true;
  }
  if (!any) return false;
  const std::set<PeerId> before = listed(config);
  const Members old = std::exchange(members_, {.generation = members_.generation, .named = {}});
  rebuild(config, ids);
  const std::set<PeerId> now = listed(config);
  for (const PeerId id : now) left_ms_.erase(id);
  for (const PeerId id : before) {
    if (now.count(id) == 0) left_ms_.emplace(id, now_ms);
  }
  return members_ != old;
}

std::set<PeerId> Membership::listed(const Config& config) const {
  std::set<PeerId> all;
  for (const UpstreamConfig& upstream : config.upstreams) {
    for (const PeerConfig& peer : peers_now(upstream, members_)) all.insert(peer.id);
  }
  return all;
}

void Membership::rebuild(const Config& config, ConfIds& ids) {
  for (const UpstreamConfig& upstream : config.upstreams) {
    for (const NamedServer& server : upstream.named) {
      const auto answer = answers_.find(server.question);
      if (answer == answers_.end()) continue;
      NamedMembers& named = members_.named.emplace_back();
      named.upstream = upstream.id;
      named.server = server.like.server;
      named.targets = answer->second;
      for (const NameTarget& target : named.targets) {
        named.ids.push_back(ids.peer(upstream.id, target.address, server.like.uri));
      }
    }
  }
}

void Membership::release_unused(ConfIds& ids, PeerBoard& board, uint64_t now_ms) {
  std::erase_if(left_ms_, [&](const auto& each) {
    const auto& [id, since_ms] = each;
    if (now_ms - since_ms < keep_number_ms || !board.shares(id) || board.active(id) > 0) {
      return false;
    }
    ids.release(id);
    forget(board.health(id));
    return true;
  });
}

}  // namespace sluice
