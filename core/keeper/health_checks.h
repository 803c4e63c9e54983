// HealthChecks: which peers are checked, when each has its next check, and what the outcomes say of
// them. It alone writes what the board knows of checks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "core/config.h"
#include "core/keeper/health_check.h"
#include "core/members.h"
#include "core/observe/log.h"
#include "core/peers/peer_board.h"
#include "net/pool.h"
#include "net/reactor.h"

namespace sluice {

// Whether any upstream of that conf asks for checks.
bool asks_for_checks(const Config& config);

// The keeper's. Each peer has at most one check under way; the next one begins an interval after
// the one before began, a tenth earlier or later at random, so that peers in step scatter.
class HealthChecks final : public EventHandler {
 public:
  // The first check of a peer begins at a random time within this, and within its interval.
  static constexpr uint32_t first_within_ms = 1'000;

  // All outlive this. `health`: by PeerId; peers beyond it are not checked, which is told.
  // `known_peers`: so many ids have been given so far; what earlier checks found of those that are
  // not checked any more is forgotten.
  HealthChecks(Reactor& reactor, Log& log, std::span<PeerHealth> health, size_t known_peers);
  HealthChecks(const HealthChecks&) = delete;
  HealthChecks& operator=(const HealthChecks&) = delete;
  ~HealthChecks() override;

  // From now on what that conf asks for, of the peers that its servers' names lead to now, and
  // nothing else. A peer that is asked the same as before goes on as it was; one that is asked
  // otherwise begins anew, and what was found stands until then. Throws std::bad_alloc, and may be
  // called again.
  void use(const Config& config, const Members& members = {});
  // Peers that are checked.
  size_t size() const { return by_peer_.size(); }

  void on_ready(Handle handle, unsigned leg, Readiness ready) override;
  void on_timer(Handle handle, unsigned which) override;
  void on_run(Handle handle) override;
  void on_turn_end() override { checked_.sweep(); }

 private:
  // A peer that is checked.
  struct Checked {
    PeerId id{};
    CheckTarget target;
    std::string who;      // "upstream chat: peer 10.0.0.1:4000"
    uint32_t passed = 0;  // in a row
    uint32_t failed = 0;
    uint64_t begun_ms = 0;  // the latest check
    TimerId timer = 0;      // for its timeout or, between two, for the next one
    std::unique_ptr<HealthCheck> check = nullptr;  // under way
  };

  void add(const UpstreamConfig& upstream, const PeerConfig& peer, std::map<PeerId, Handle>& kept);
  void retire(Handle handle);
  void begin(Handle handle, Checked& checked);
  void follow(Handle handle, Checked& checked, HealthCheck::Step step);
  void end(Handle handle, Checked& checked);
  void note_passed(Checked& checked);
  void note_failed(Checked& checked);
  void arm(Handle handle, Checked& checked, uint64_t delay_ms, unsigned which);
  // Runs `call` on it, if it is there; a failed allocation ends its check without an outcome.
  template <class Call>
  void with(Handle handle, Call call);

  Reactor& reactor_;
  Log& log_;
  std::span<PeerHealth> health_;
  size_t known_peers_;
  Reactor::HandlerId id_;
  Pool<Checked> checked_;
  std::map<PeerId, Handle> by_peer_;
};

}  // namespace sluice
