// Upstream: one worker's view of an upstream group, namely which of its peers gets a session. Also
// all of a worker's upstreams by their ids.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/config.h"
#include "core/peers/balance.h"
#include "core/peers/peer_table.h"

namespace sluice {

// One session's walk over the peers of an upstream, best first: each place of the conf at most
// once.
struct PeerWalk {
  std::vector<PeerId> order;
  size_t next = 0;
  // The first one was out, and this walk alone is to find out whether it still is (claim_probe).
  bool probes = false;
};

// A user of each peer that it lists.
class Upstream {
 public:
  // What a session's walk depends on.
  struct Request {
    uint64_t key = 0;             // balance_key() of what `balance hash` takes of it
    bool keyed = false;           // it has that; else Balance::hash gives it turns
    uint64_t now_ms = 0;          // by the monotonic clock
    uint64_t probe_ms = 0;        // how long a try may take
    std::string_view token = {};  // of the peer that its cookie names; "": none
  };

  // `seed` is random, so that workers do not all begin with the same peer. `sticky_key`: of tokens,
  // where the conf brings none. The table outlives the upstream; the Config need not.
  Upstream(const UpstreamConfig& config, PeerTable& peers, uint32_t seed,
           const Digest& sticky_key = {});
  Upstream(const Upstream&) = delete;
  Upstream& operator=(const Upstream&) = delete;
  ~Upstream();

  // How its wss:// peers are spoken to; null where it has none.
  const TlsClientRef& tls() const { return tls_; }
  const UpstreamSettings& settings() const { return settings_; }
  // Marks those of its peers as gone in that wave that are not in `now`, where such are to be
  // drained, and were not marked before; null: all. Returns whether there are any.
  bool mark_gone(const UpstreamConfig* now, OnPeerGone on_peer_gone, uint32_t wave);
  bool mark_unwell(uint32_t wave);
  // Whether it lists the same peers in the same order.
  bool lists_peers_of(const UpstreamConfig& config) const;
  // Takes over all but the peers, which are the same.
  void use(const UpstreamConfig& config, const Digest& sticky_key);
  // What a sticky cookie says of that peer: nobody without the key can make it. "" where there are
  // no such cookies, or the peer is not listed.
  std::string_view token(PeerId id) const;

  // The one that the request's token names, where it is up, then as order_peers() says. Those that
  // are out come last: if all are, all are tried. Those that are drained or full are left out, and
  // while not all are out those that a health check put out.
  PeerWalk begin(const Request& request);
  // The next peer of this walk; nothing when all have been tried. Peers that were taken out,
  // drained or filled since have no turn.
  std::optional<PeerId> next(PeerWalk& walk) const;
  bool has_next(const PeerWalk& walk) const { return find(walk) < walk.order.size(); }
  // Names have no address yet, and there is nobody else.
  bool empty() const { return members_.empty(); }
  // Nobody is left to be dialled.
  bool all_drained() const;
  // Sets Peer::drain of each peer to number_of(uri), and tells all who share the board whether it
  // is drained, by itself or with all of them.
  template <class NumberOf>
  void mark_drained(NumberOf number_of, bool all);

 private:
  struct Member {
    PeerId peer{};
    uint32_t weight = 1;
    uint32_t max_connections = 0;
    uint32_t slow_start_ms = 0;
    uint32_t tier = 0;
    int64_t turn = 0;
    std::string token = {};
  };

  explicit Upstream(PeerTable& peers) : peers_(peers) {}
  bool drained(PeerId id) const { return peers_.at(id).drain != 0; }
  bool full(const Member& member) const;
  bool has_turn(PeerId id) const;
  size_t find(const PeerWalk& walk) const;
  void gather(const Request& request);
  bool put_named_first(std::string_view token, PeerWalk& walk) const;
  void put_probe_first(const Request& request, PeerWalk& walk);
  void leave_out_unwell(const Request& request, PeerWalk& walk);
  uint64_t random();

  PeerTable& peers_;
  std::vector<Member> members_;  // in the conf's order
  UpstreamSettings settings_;
  TlsClientRef tls_;
  uint64_t random_ = 1;
  std::vector<Candidate> candidates_;  // of the latest begin(), in its order
};

template <class NumberOf>
void Upstream::mark_drained(NumberOf number_of, bool all) {
  for (const Member& member : members_) {
    Peer& peer = peers_.at(member.peer);
    peer.drain = number_of(peer.uri);
    peers_.board().health(peer.id).draining.store(all || peer.drain != 0,
                                                  std::memory_order_relaxed);
  }
}

// A worker's upstreams and their peers: those of the latest Config, and of older ones for as long
// as a session has one. Outlives every session.
class UpstreamTable {
 public:
  UpstreamTable() = default;
  // What all workers know of peers, as PeerBoard takes it.
  // `sticky_key` is the same for all of them.
  UpstreamTable(PeerBoard::Memory memory, uint32_t worker, const Digest& sticky_key)
      : peers_(memory, worker), sticky_key_(sticky_key) {}
  // Takes the place of an earlier upstream of that id, for sessions of older Configs, too: peers
  // that were taken out are dialled by nobody. Peers that both list stay what they are, and so does
  // the turn where both list the same. Throws std::bad_alloc and changes nothing, then.
  void add(const UpstreamConfig& config, uint32_t seed);
  // The conf in force is that one: marks the peers that it does not list any more as gone, where
  // their upstream says so. Before its upstreams are added. Returns whether there are any.
  bool mark_gone(const Config& config, uint32_t wave);
  // The same where one upstream's peers change.
  bool mark_gone(const UpstreamConfig& now, uint32_t wave);
  // Marks those peers as gone that a health check found to be down, where their upstream says so,
  // and no longer those that are up. Returns whether a peer is newly gone.
  bool mark_unwell(uint32_t wave);
  // Forgets those for whose id `wanted(id)` is false.
  template <class Wanted>
  void keep_only(Wanted wanted);
  size_t size() const { return size_; }
  // Sets Peer::drain of each peer that an upstream lists to number_of(upstream, uri); all of an
  // upstream's are told to be drained where all(upstream) is true.
  template <class NumberOf, class All>
  void mark_drained(NumberOf number_of, All all);
  // One that was added; the reference is good until add() of that id.
  Upstream& at(UpstreamId id);
  PeerTable& peers() { return peers_; }

 private:
  PeerTable peers_;
  Digest sticky_key_{};
  std::vector<std::unique_ptr<Upstream>> upstreams_;  // by id; null where there is none
  size_t size_ = 0;
};

template <class NumberOf, class All>
void UpstreamTable::mark_drained(NumberOf number_of, All all) {
  for (size_t place = 0; place < upstreams_.size(); ++place) {
    if (upstreams_[place] == nullptr) continue;
    const UpstreamId id{static_cast<uint32_t>(place)};
    upstreams_[place]->mark_drained([&](const ServerUri& uri) { return number_of(id, uri); },
                                    all(id));
  }
}

template <class Wanted>
void UpstreamTable::keep_only(Wanted wanted) {
  for (size_t place = 0; place < upstreams_.size(); ++place) {
    if (upstreams_[place] == nullptr || wanted(UpstreamId{static_cast<uint32_t>(place)})) continue;
    upstreams_[place].reset();
    --size_;
  }
}

}  // namespace sluice
