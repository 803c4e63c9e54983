// UpstreamPool: a worker's connections to peers that have answered a plain request and may be
// asked again (upstream_keepalive). Whoever asks such a peer next goes on with the latest of them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/config.h"
#include "core/peers/peer_table.h"
#include "core/session/leg.h"
#include "net/pool.h"
#include "net/reactor.h"
#include "tls/store.h"

namespace sluice {

// It owns the connections, watches them, and ends each one whose peer says anything, ends it, or
// is not asked in time. It is a user of their peers, without a session.
class UpstreamPool final : public EventHandler {
 public:
  // Both outlive this.
  UpstreamPool(Reactor& reactor, PeerTable& peers);
  UpstreamPool(const UpstreamPool&) = delete;
  UpstreamPool& operator=(const UpstreamPool&) = delete;
  ~UpstreamPool() override;

  // What a connection is kept with.
  struct Terms {
    PeerId peer{};
    TlsClientRef secured_by = {};  // null: it is not secured
    bool bound = false;            // it comes from an address of ours that its route named
    uint32_t most = 0;             // of that peer are kept; then the oldest one goes
    uint32_t for_ms = 0;           // without being asked
  };
  // Takes over the connection, which awaits nothing and of which everything was read. Where that is
  // not possible it is closed. The leg is not open afterwards.
  void keep(Leg& leg, Terms terms) noexcept;
  // `leg`, which is not open, goes on with a connection to that peer that was secured by the same
  // and comes from one of these addresses; with none of them, from any that the system chose.
  // False: there is none.
  bool take(PeerId peer, const TlsClientRef& secured_by, std::span<const Address> from, Leg& leg,
            const Watch& watch);
  void close_all() noexcept;

  size_t size() const { return idle_.live(); }
  bool timer_armed() const { return timer_ != 0; }

  void on_ready(Handle handle, unsigned leg, Readiness ready) override;
  void on_timer(Handle handle, unsigned which) override;
  void on_run(Handle) override {}

 private:
  struct Idle {
    Leg leg = {};
    Terms terms = {};
    uint64_t until_ms = 0;
  };

  std::vector<Handle>& of(PeerId peer) { return by_peer_[static_cast<size_t>(peer)]; }
  static bool is_silent(Idle& idle) noexcept;
  bool suits(Idle& idle, const TlsClientRef& secured_by, std::span<const Address> from) const;
  void forget(Handle handle);
  void close(Handle handle) noexcept;
  void arm(uint64_t until_ms);

  Reactor& reactor_;
  PeerTable& peers_;
  const Reactor::HandlerId id_;
  Pool<Idle> idle_;
  std::vector<std::vector<Handle>> by_peer_;  // by id, the latest one last
  TimerId timer_ = 0;                         // 0: none is armed
  uint64_t timer_at_ms_ = 0;                  // it may come too early, never too late
};

}  // namespace sluice
