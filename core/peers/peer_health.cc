// Passive health. Several workers may see the same failure at once: one of them changes
// out_until_ms from what it read, and that one alone says so.
#include "core/peers/peer_health.h"

#include <algorithm>

namespace sluice {

Standing standing_of(const PeerHealth& health, uint64_t now_ms) {
  if (health.check.load(std::memory_order_relaxed) == PeerCheck::down) return Standing::out;
  const uint64_t until = health.out_until_ms.load(std::memory_order_relaxed);
  if (until == 0) return Standing::up;
  return now_ms >= until ? Standing::due : Standing::out;
}

// A claim ends by itself, too: whoever made it may have died.
bool claim_probe(PeerHealth& health, uint64_t now_ms, uint64_t for_ms) {
  uint64_t until = health.probe_until_ms.load(std::memory_order_relaxed);
  return until <= now_ms && health.probe_until_ms.compare_exchange_strong(until, now_ms + for_ms);
}

void give_probe_back(PeerHealth& health) {
  health.probe_until_ms.store(0, std::memory_order_relaxed);
}

namespace {

// Twice as long as the latest time, where it was not up for as long again since; else the least.
uint32_t next_time_out(const PeerHealth& health, const HealthSettings& settings, bool up,
                       uint64_t now_ms) {
  const uint64_t latest = health.out_ms.load(std::memory_order_relaxed);
  const uint64_t since = health.since_ms.load(std::memory_order_relaxed);
  const bool steady = latest == 0 || (up && now_ms - since >= std::max<uint64_t>(latest, 1));
  const uint64_t least = settings.first_fail_timeout_ms;
  const uint64_t most = std::max<uint64_t>(settings.max_fail_timeout_ms, least);
  return static_cast<uint32_t>(std::clamp(steady ? least : 2 * latest, least, most));
}

}  // namespace

uint32_t note_failure(PeerBoard& board, PeerId id, PeerFault fault, const HealthSettings& settings,
                      uint64_t now_ms) {
  PeerHealth& health = board.health(id);
  health.failed.store(health.failed.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  health.latest.store(fault, std::memory_order_relaxed);
  PeerRow& row = board.own_row(id);
  const uint64_t oldest = now_ms - std::min<uint64_t>(now_ms, settings.fail_timeout_ms);
  if (row.window_ms.load(std::memory_order_relaxed) <= oldest) {
    row.failures.store(0, std::memory_order_relaxed);
    row.window_ms.store(now_ms, std::memory_order_relaxed);
  }
  row.failures.store(row.failures.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (settings.max_fails == 0) return 0;

  uint64_t until = health.out_until_ms.load(std::memory_order_relaxed);
  const bool up = until == 0;
  if (up && board.failures_since(id, oldest + 1) < settings.max_fails) return 0;
  if (until > now_ms) return 0;  // it is out already; all are tried where all are out
  const uint32_t out_ms = next_time_out(health, settings, up, now_ms);
  if (!health.out_until_ms.compare_exchange_strong(until, now_ms + out_ms)) return 0;
  health.out_ms.store(out_ms, std::memory_order_relaxed);
  health.outs.store(health.outs.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (up) health.since_ms.store(now_ms, std::memory_order_relaxed);
  give_probe_back(health);
  return out_ms;
}

void count_failure(PeerHealth& health, PeerFailure what) {
  health.failed_by[static_cast<size_t>(what)].fetch_add(1, std::memory_order_relaxed);
}

uint64_t note_success(PeerHealth& health, uint64_t now_ms) {
  uint64_t until = health.out_until_ms.load(std::memory_order_relaxed);
  if (until == 0) return 0;
  const uint64_t since = health.since_ms.load(std::memory_order_relaxed);
  if (!health.out_until_ms.compare_exchange_strong(until, 0)) return 0;
  health.since_ms.store(now_ms, std::memory_order_relaxed);
  give_probe_back(health);
  return std::max<uint64_t>(1, now_ms - std::min(now_ms, since));
}

void put_out_by_check(PeerHealth& health, uint64_t now_ms) {
  const bool up = standing_of(health, now_ms) == Standing::up;
  health.check.store(PeerCheck::down, std::memory_order_relaxed);
  health.outs.store(health.outs.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (up) health.since_ms.store(now_ms, std::memory_order_relaxed);
}

uint64_t bring_back_by_check(PeerHealth& health, uint64_t now_ms) {
  const uint64_t since = health.since_ms.load(std::memory_order_relaxed);
  // First, so that it comes back with a small share of its weight, where it has slow_start.
  health.since_ms.store(now_ms, std::memory_order_relaxed);
  health.out_until_ms.store(0, std::memory_order_relaxed);
  give_probe_back(health);
  health.check.store(PeerCheck::up, std::memory_order_release);
  return std::max<uint64_t>(1, now_ms - std::min(now_ms, since));
}

void forget_check(PeerHealth& health) {
  if (health.check.load(std::memory_order_relaxed) == PeerCheck::none) return;
  health.check.store(PeerCheck::none, std::memory_order_relaxed);
}

void forget(PeerHealth& health) {
  for (auto* each :
       {&health.out_until_ms, &health.since_ms, &health.probe_until_ms, &health.failed}) {
    each->store(0);
  }
  for (auto* each : {&health.out_ms, &health.outs, &health.checks, &health.failed_checks}) {
    each->store(0);
  }
  for (auto& each : health.failed_by) each.store(0);
  health.draining.store(false);
  health.latest.store(PeerFault::none);
  health.check.store(PeerCheck::none);
  health.latest_check.store(PeerFault::none);
}

uint32_t share_of_weight(const PeerHealth& health, uint32_t slow_start_ms, uint64_t now_ms) {
  const uint64_t since = health.since_ms.load(std::memory_order_relaxed);
  if (slow_start_ms == 0 || since == 0 || now_ms >= since + slow_start_ms) return 100;
  const uint64_t up_ms = now_ms - std::min(now_ms, since);
  return static_cast<uint32_t>(std::max<uint64_t>(1, 100 * up_ms / slow_start_ms));
}

}  // namespace sluice
