// Upstream: one worker's view of an upstream group, namely whose turn it is among its peers. Also
// all of a worker's upstreams by their ids.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/config.h"
#include "core/peers/peer_table.h"

namespace sluice {

// One session's walk over the peers of an upstream: every peer at most once.
struct PeerWalk {
  uint32_t first = 0;
  uint32_t tried = 0;
};

// A user of each peer that it lists.
class Upstream {
 public:
  // `seed` is random, so that workers do not all begin with the same peer. The table outlives the
  // upstream; the Config need not.
  Upstream(const UpstreamConfig& config, PeerTable& peers, uint32_t seed);
  Upstream(const Upstream&) = delete;
  Upstream& operator=(const Upstream&) = delete;
  ~Upstream();

  // Round robin: each walk begins one peer after the previous walk's beginning.
  PeerWalk begin();
  // The next peer of this walk; nothing when all have been tried.
  std::optional<PeerId> next(PeerWalk& walk) const;
  bool has_next(const PeerWalk& walk) const { return walk.tried < members_.size(); }

 private:
  explicit Upstream(PeerTable& peers) : peers_(peers) {}

  PeerTable& peers_;
  std::vector<PeerId> members_;  // in the conf's order
  uint32_t turn_ = 0;
};

// A worker's upstreams and their peers. Outlives every session.
class UpstreamTable {
 public:
  // Takes the place of an earlier upstream of that id; peers that both list stay what they are.
  void add(const UpstreamConfig& config, uint32_t seed);
  // One that was added; the reference is good until add() of that id.
  Upstream& at(UpstreamId id);
  PeerTable& peers() { return peers_; }

 private:
  PeerTable peers_;
  std::vector<std::unique_ptr<Upstream>> upstreams_;  // by id
};

}  // namespace sluice
