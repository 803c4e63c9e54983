// Upstream: one worker's view of an upstream group, namely which peer is tried next and how to
// resume TLS with it. Owned by the worker, one per UpstreamConfig; survives as long as its Config.
#pragma once

#include <cstdint>
#include <vector>

#include "core/config.h"

namespace sluice {

// One session's walk over the peers of an upstream: every peer at most once.
struct PeerWalk {
  uint32_t first = 0;
  uint32_t tried = 0;
};

class Upstream {
 public:
  // `seed` is random, so that workers do not all begin with the same peer.
  Upstream(const UpstreamConfig& config, uint32_t seed);

  // Round robin: each walk begins one peer after the previous walk's beginning.
  PeerWalk begin();
  // The next peer of this walk, or null when all have been tried.
  const PeerConfig* next(PeerWalk& walk) const;
  bool has_next(const PeerWalk& walk) const { return walk.tried < config_->peers.size(); }
  // The TLS session to resume with that peer of this upstream.
  TlsSessionSlot& tls_session(const PeerConfig& peer);

 private:
  const UpstreamConfig* config_;
  uint32_t turn_;
  std::vector<TlsSessionSlot> tls_sessions_;  // one a peer
};

}  // namespace sluice
