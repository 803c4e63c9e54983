// Upstream: plain round robin so far; what peers have failed is not remembered yet.
#include "core/peers/upstream.h"

#include "net/check.h"

namespace sluice {

namespace {

uint32_t peer_count(const UpstreamConfig& config) {
  return static_cast<uint32_t>(config.peers.size());
}

}  // namespace

Upstream::Upstream(const UpstreamConfig& config, uint32_t seed) : config_(&config) {
  SLUICE_CHECK(!config.peers.empty());
  turn_ = seed % peer_count(config);
  tls_sessions_.resize(config.peers.size());
}

PeerWalk Upstream::begin() {
  PeerWalk walk;
  walk.first = turn_;
  turn_ = (turn_ + 1) % peer_count(*config_);
  return walk;
}

const PeerConfig* Upstream::next(PeerWalk& walk) const {
  const uint32_t count = peer_count(*config_);
  if (walk.tried >= count) return nullptr;
  // Widened: the sum of two 32-bit numbers would wrap at the wrong place.
  const uint64_t index = (uint64_t{walk.first} + walk.tried++) % count;
  return &config_->peers[index];
}

TlsSessionSlot& Upstream::tls_session(const PeerConfig& peer) {
  return tls_sessions_[static_cast<size_t>(&peer - config_->peers.data())];
}

}  // namespace sluice
