// A peer's number outlives its place in an answer, so that an address that comes back soon is the
// same peer, with its sessions and what is known of its health.
#include "core/process/membership.h"

#include <optional>
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
  for (const PeerId id : listed(config, members_)) left_ms_.erase(id);
}

// What may lack memory comes first: the same answers may come once more.
bool Membership::take(NameAnswers found, const Config& config, ConfIds& ids, size_t most_peers,
                      uint64_t now_ms) {
  NameAnswers answers = answers_;
  bool any = false;
  for (const NameQuestion& question : questions_of(config)) {
    const auto answer = found.find(question);
    if (answer == found.end()) continue;
    NameTargets& known = answers[question];
    if (known == answer->second) continue;
    known = std::move(answer->second);
    any = true;
  }
  if (!any) return false;
  size_t left_out = 0;
  Members members = members_of(answers, config, ids, most_peers, left_out);
  const std::set<PeerId> before = listed(config, members_);
  const std::set<PeerId> now = listed(config, members);
  std::map<PeerId, uint64_t> left = left_ms_;
  for (const PeerId id : now) left.erase(id);
  for (const PeerId id : before) {
    if (now.count(id) == 0) left.emplace(id, now_ms);
  }
  const bool changed = members != members_;
  answers_.swap(answers);
  std::swap(members_, members);
  left_ms_.swap(left);
  left_out_ = left_out;
  return changed;
}

std::set<PeerId> Membership::listed(const Config& config, const Members& members) {
  std::set<PeerId> all;
  std::set<std::pair<UpstreamId, uint32_t>> named;
  for (const NamedMembers& each : members.named) {
    named.emplace(each.upstream, each.server);
    all.insert(each.ids.begin(), each.ids.end());
  }
  for (const UpstreamConfig& upstream : config.upstreams) {
    for (const PeerConfig& peer : upstream.peers) {
      if (named.count({upstream.id, peer.server}) == 0) all.insert(peer.id);
    }
  }
  return all;
}

Members Membership::members_of(const NameAnswers& answers, const Config& config, ConfIds& ids,
                               size_t most_peers, size_t& left_out) const {
  Members members{.generation = members_.generation, .named = {}};
  for (const UpstreamConfig& upstream : config.upstreams) {
    for (const NamedServer& server : upstream.named) {
      const auto answer = answers.find(server.question);
      if (answer == answers.end()) continue;
      NamedMembers& named = members.named.emplace_back();
      named.upstream = upstream.id;
      named.server = server.like.server;
      for (const NameTarget& target : answer->second) {
        const std::optional<PeerId> id =
            ids.peer_below(most_peers, upstream.id, target.address, server.like.uri);
        if (!id) {
          ++left_out;
          continue;
        }
        named.targets.push_back(target);
        named.ids.push_back(*id);
      }
    }
  }
  return members;
}

// Names that change all the time would starve others of numbers: then a peer's is given back as
// soon as nobody uses it.
void Membership::release_unused(ConfIds& ids, PeerBoard& board, uint64_t now_ms) {
  const uint64_t keep_ms = left_ms_.size() > most_kept_numbers ? 0 : keep_number_ms;
  std::set<PeerId> unused;
  for (const auto& [id, since_ms] : left_ms_) {
    const bool old = now_ms - since_ms >= keep_ms;
    if (old && board.shares(id) && board.active(id) == 0) unused.insert(id);
  }
  ids.release(unused);
  for (const PeerId id : unused) {
    forget(board.health(id));
    left_ms_.erase(id);
  }
}

}  // namespace sluice
