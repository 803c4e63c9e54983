// Upstream: gathers what is known of its peers, has them put in order, and walks that order.
#include "core/peers/upstream.h"

#include <algorithm>

#include "core/peers/peer_health.h"
#include "net/check.h"
#include "net/sys.h"

namespace sluice {

namespace {

// Weights are counted in hundredths, so that slow start can give a part of one.
constexpr uint32_t whole_share = 100;

// 128 bits of a keyed digest, in hex. Parts hold no NUL byte.
std::string token_of(const UpstreamConfig& upstream, const PeerConfig& peer, const Digest& key) {
  std::string text = upstream.name;
  text.append(1, '\0').append(text_of(peer.uri)).append(1, '\0').append(peer.address.text());
  const Digest digest = keyed_digest(key, text);
  std::string token;
  for (size_t i = 0; i < 16; ++i) {
    constexpr char digits[] = "0123456789abcdef";
    token += digits[digest[i] >> 4];
    token += digits[digest[i] & 15];
  }
  return token;
}

void mark(Peer& peer, bool gone, uint32_t wave) {
  if (!gone) {
    peer.gone = 0;
  } else if (peer.gone == 0) {
    peer.gone = wave;
  }
}

}  // namespace

// Delegates, so that the destructor runs where memory falls short half-way.
Upstream::Upstream(const UpstreamConfig& config, PeerTable& peers, uint32_t seed,
                   const Digest& sticky_key)
    : Upstream(peers) {
  const auto count = static_cast<int64_t>(config.peers.size());
  members_.reserve(config.peers.size());
  candidates_.reserve(config.peers.size());
  for (const PeerConfig& peer : config.peers) {
    members_.push_back({.peer = peers_.use(peer).id});
    // The seed's peer is first, then those behind it: by less than the least weight, so that it
    // decides among equals alone.
    const auto place = static_cast<int64_t>(members_.size()) - 1;
    members_.back().turn = -((place + count - seed % count) % count) * whole_share / (count + 1);
  }
  random_ = (uint64_t{seed} << 1) | 1;
  use(config, sticky_key);
}

Upstream::~Upstream() {
  for (const Member& member : members_) peers_.release(member.peer);
}

bool Upstream::lists_peers_of(const UpstreamConfig& config) const {
  return std::equal(
      members_.begin(), members_.end(), config.peers.begin(), config.peers.end(),
      [](const Member& member, const PeerConfig& peer) { return member.peer == peer.id; });
}

bool Upstream::mark_gone(const UpstreamConfig* now, OnPeerGone on_peer_gone, uint32_t wave) {
  if (on_peer_gone != OnPeerGone::drain) return false;
  bool any = false;
  for (const Member& member : members_) {
    const bool listed = now != nullptr &&
                        std::any_of(now->peers.begin(), now->peers.end(),
                                    [&](const PeerConfig& peer) { return peer.id == member.peer; });
    mark(peers_.at(member.peer), !listed, wave);
    any = any || !listed;
  }
  return any;
}

bool Upstream::mark_unwell(uint32_t wave) {
  if (settings_.on_peer_gone != OnPeerGone::drain) return false;
  if (settings_.check.kind == CheckSettings::Kind::off) return false;
  bool any = false;
  for (const Member& member : members_) {
    const PeerHealth& health = peers_.board().health(member.peer);
    const bool down = health.check.load(std::memory_order_relaxed) == PeerCheck::down;
    Peer& peer = peers_.at(member.peer);
    any = any || (down && peer.gone == 0);
    mark(peer, down, wave);
  }
  return any;
}

void Upstream::use(const UpstreamConfig& config, const Digest& sticky_key) {
  const bool sticky = !config.sticky.cookie.empty();
  for (size_t i = 0; i < members_.size(); ++i) {
    const PeerConfig& peer = config.peers[i];
    members_[i].weight = peer.weight;
    members_[i].max_connections = peer.max_connections;
    members_[i].slow_start_ms = peer.slow_start_ms;
    members_[i].tier = peer.tier;
    members_[i].token =
        sticky ? token_of(config, peer, config.sticky_key.value_or(sticky_key)) : "";
  }
  settings_ = config;
  tls_ = config.tls;
}

std::string_view Upstream::token(PeerId id) const {
  const auto found = std::find_if(members_.begin(), members_.end(),
                                  [id](const Member& member) { return member.peer == id; });
  return found != members_.end() ? std::string_view(found->token) : std::string_view();
}

bool Upstream::full(const Member& member) const {
  return member.max_connections != 0 &&
         peers_.board().active(member.peer) >= member.max_connections;
}

// The number of places is small, and what comes behind the first peer is rarely asked for.
bool Upstream::has_turn(PeerId id) const {
  return std::any_of(members_.begin(), members_.end(), [&](const Member& member) {
    return member.peer == id && !drained(id) && !full(member);
  });
}

size_t Upstream::find(const PeerWalk& walk) const {
  size_t place = walk.next;
  while (place < walk.order.size() && !has_turn(walk.order[place])) ++place;
  return place;
}

std::optional<PeerId> Upstream::next(PeerWalk& walk) const {
  const size_t place = find(walk);
  walk.next = place + 1;
  if (place >= walk.order.size()) return std::nullopt;
  return walk.order[place];
}

void Upstream::gather(const Request& request) {
  candidates_.clear();
  for (size_t place = 0; place < members_.size(); ++place) {
    const Member& member = members_[place];
    if (drained(member.peer) || full(member)) continue;
    const PeerHealth& health = peers_.board().health(member.peer);
    const Standing standing = standing_of(health, request.now_ms);
    const bool keyed = settings_.balance == Balance::hash && request.keyed;
    candidates_.push_back({
        .peer = member.peer,
        .place = static_cast<uint32_t>(place),
        .identity = peers_.at(member.peer).identity,
        .weight = std::max(
            1u, member.weight * share_of_weight(health, member.slow_start_ms, request.now_ms)),
        .active =
            settings_.balance == Balance::least_conn || settings_.balance == Balance::random_two
                ? peers_.board().active(member.peer)
                : 0,
        .tier = member.tier,
        // Of a hash's peers the one whose key it is tries it.
        .up = standing == Standing::up || (keyed && standing == Standing::due),
        .turn = member.turn,
    });
  }
}

PeerWalk Upstream::begin(const Request& request) {
  gather(request);
  Balance how = settings_.balance;
  if (how == Balance::hash && !request.keyed) how = Balance::round_robin;
  order_peers(how, request.key, how == Balance::random_two ? random() : 0, candidates_);
  PeerWalk walk;
  walk.order.reserve(candidates_.size());
  for (const Candidate& each : candidates_) {
    members_[each.place].turn = each.turn;
    walk.order.push_back(each.peer);
  }
  if (!put_named_first(request.token, walk)) put_probe_first(request, walk);
  leave_out_unwell(request, walk);
  return walk;
}

bool Upstream::put_named_first(std::string_view token, PeerWalk& walk) const {
  if (token.empty()) return false;
  const auto named = std::find_if(
      candidates_.begin(), candidates_.end(),
      [&](const Candidate& each) { return each.up && members_[each.place].token == token; });
  if (named == candidates_.end()) return false;
  const auto at = walk.order.begin() + (named - candidates_.begin());
  std::rotate(walk.order.begin(), at, at + 1);
  return true;
}

// What a check says holds for the next session, too; a peer that only failed some may do.
void Upstream::leave_out_unwell(const Request& request, PeerWalk& walk) {
  const auto standing = [&](PeerId id) {
    return standing_of(peers_.board().health(id), request.now_ms);
  };
  const auto out = [&](PeerId id) { return standing(id) == Standing::out; };
  if (std::all_of(walk.order.begin(), walk.order.end(), out)) return;
  std::erase_if(walk.order, [&](PeerId id) {
    return peers_.board().health(id).check.load(std::memory_order_relaxed) == PeerCheck::down;
  });
}

// A peer whose time out is over is tried by one session, which the others stand behind. Backups
// only where nobody else is up, or no session would come to them.
void Upstream::put_probe_first(const Request& request, PeerWalk& walk) {
  const bool keyed = settings_.balance == Balance::hash && request.keyed;
  for (size_t place = 0; place < candidates_.size(); ++place) {
    const Candidate& each = candidates_[place];
    PeerHealth& health = peers_.board().health(each.peer);
    if (standing_of(health, request.now_ms) != Standing::due) {
      if (keyed && place == 0) return;
      continue;
    }
    if (candidates_[0].up && each.tier > candidates_[0].tier) continue;
    const auto at = walk.order.begin() + static_cast<ptrdiff_t>(place);
    if (claim_probe(health, request.now_ms, request.probe_ms)) {
      std::rotate(walk.order.begin(), at, at + 1);
      walk.probes = true;
      return;
    }
    if (keyed) std::rotate(at, at + 1, walk.order.end());
    if (keyed) return;
  }
}

bool Upstream::all_drained() const {
  return std::all_of(members_.begin(), members_.end(),
                     [this](const Member& member) { return drained(member.peer); });
}

// xorshift64*.
uint64_t Upstream::random() {
  random_ ^= random_ >> 12;
  random_ ^= random_ << 25;
  random_ ^= random_ >> 27;
  return random_ * 0x2545f4914f6cdd1d;
}

bool UpstreamTable::mark_gone(const Config& config, uint32_t wave) {
  bool any = false;
  for (size_t place = 0; place < upstreams_.size(); ++place) {
    if (upstreams_[place] == nullptr) continue;
    const UpstreamConfig* now = config.find_upstream(UpstreamId{static_cast<uint32_t>(place)});
    const OnPeerGone what =
        now != nullptr ? now->on_peer_gone : upstreams_[place]->settings().on_peer_gone;
    if (upstreams_[place]->mark_gone(now, what, wave)) any = true;
  }
  return any;
}

bool UpstreamTable::mark_gone(const UpstreamConfig& now, uint32_t wave) {
  const auto place = static_cast<size_t>(now.id);
  if (place >= upstreams_.size() || upstreams_[place] == nullptr) return false;
  return upstreams_[place]->mark_gone(&now, now.on_peer_gone, wave);
}

bool UpstreamTable::mark_unwell(uint32_t wave) {
  bool any = false;
  for (const auto& each : upstreams_) {
    if (each != nullptr && each->mark_unwell(wave)) any = true;
  }
  return any;
}

void UpstreamTable::add(const UpstreamConfig& config, uint32_t seed) {
  const auto place = static_cast<size_t>(config.id);
  if (place >= upstreams_.size()) upstreams_.resize(place + 1);
  std::unique_ptr<Upstream>& upstream = upstreams_[place];
  if (upstream != nullptr && upstream->lists_peers_of(config)) {
    return upstream->use(config, sticky_key_);
  }
  auto fresh = std::make_unique<Upstream>(config, peers_, seed, sticky_key_);
  if (upstream == nullptr) ++size_;
  upstream = std::move(fresh);
}

Upstream& UpstreamTable::at(UpstreamId id) {
  const auto place = static_cast<size_t>(id);
  SLUICE_CHECK(place < upstreams_.size() && upstreams_[place] != nullptr);
  return *upstreams_[place];
}

}  // namespace sluice
