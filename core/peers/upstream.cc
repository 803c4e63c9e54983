// Upstream: plain round robin so far. A peer's failures are not remembered yet.
#include "core/peers/upstream.h"

#include "net/check.h"

namespace sluice {

// Delegates, so that the destructor runs where memory falls short half-way.
Upstream::Upstream(const UpstreamConfig& config, PeerTable& peers, uint32_t seed)
    : Upstream(peers) {
  SLUICE_CHECK(!config.peers.empty());
  members_.reserve(config.peers.size());
  for (const PeerConfig& peer : config.peers) members_.push_back(peers_.use(peer).id);
  turn_ = seed % static_cast<uint32_t>(members_.size());
}

Upstream::~Upstream() {
  for (const PeerId member : members_) peers_.release(member);
}

PeerWalk Upstream::begin() {
  PeerWalk walk;
  walk.first = turn_;
  turn_ = (turn_ + 1) % static_cast<uint32_t>(members_.size());
  return walk;
}

std::optional<PeerId> Upstream::next(PeerWalk& walk) const {
  if (!has_next(walk)) return std::nullopt;
  // Widened: the sum of two 32-bit numbers would wrap at the wrong place.
  const uint64_t place = (uint64_t{walk.first} + walk.tried++) % members_.size();
  return members_[place];
}

void UpstreamTable::add(const UpstreamConfig& config, uint32_t seed) {
  const auto place = static_cast<size_t>(config.id);
  if (place >= upstreams_.size()) upstreams_.resize(place + 1);
  upstreams_[place] = std::make_unique<Upstream>(config, peers_, seed);
}

Upstream& UpstreamTable::at(UpstreamId id) {
  const auto place = static_cast<size_t>(id);
  SLUICE_CHECK(place < upstreams_.size() && upstreams_[place] != nullptr);
  return *upstreams_[place];
}

}  // namespace sluice
