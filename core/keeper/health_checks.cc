// HealthChecks: its handles are peers that are checked.
#include "core/keeper/health_checks.h"

#include <algorithm>
#include <new>
#include <utility>

#include "core/keeper/random_up_to.h"
#include "core/observe/limit_text.h"
#include "core/peers/peer_health.h"
#include "net/sys.h"

namespace sluice {

namespace {

constexpr unsigned next_timer = 0;
constexpr unsigned timeout_timer = 1;
constexpr uint32_t jitter_percent = 10;

// From 0 to `most`.
uint64_t jittered(uint64_t interval_ms) {
  const uint64_t range = interval_ms * jitter_percent / 100;
  return interval_ms - range + random_up_to(2 * range);
}

// One writer: no read-modify-write.
void add_one(std::atomic<uint32_t>& count) {
  count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

std::string in_a_row(uint32_t count) {
  return std::to_string(count) + (count == 1 ? " check" : " checks in a row");
}

}  // namespace

bool asks_for_checks(const Config& config) {
  return std::any_of(config.upstreams.begin(), config.upstreams.end(),
                     [](const UpstreamConfig& upstream) {
                       return upstream.check.kind != CheckSettings::Kind::off;
                     });
}

HealthChecks::HealthChecks(Reactor& reactor, Log& log, std::span<PeerHealth> health,
                           size_t known_peers)
    : reactor_(reactor),
      log_(log),
      health_(health),
      known_peers_(known_peers),
      id_(reactor.attach(*this)) {}

HealthChecks::~HealthChecks() {
  for (const auto& [peer, handle] : by_peer_) retire(handle);
  checked_.sweep();
}

template <class Call>
void HealthChecks::with(Handle handle, Call call) {
  Checked* const checked = checked_.get(handle);
  if (checked == nullptr) return;
  try {
    call(*checked);
  } catch (const std::bad_alloc&) {
    end(handle, *checked);
  }
}

void HealthChecks::use(const Config& config, const Members& members) {
  std::map<PeerId, Handle> kept;
  try {
    for (const UpstreamConfig& upstream : config.upstreams) {
      for (const PeerConfig& peer : peers_now(upstream, members)) {
        known_peers_ = std::max(known_peers_, static_cast<size_t>(peer.id) + 1);
        if (upstream.check.kind != CheckSettings::Kind::off) add(upstream, peer, kept);
      }
    }
  } catch (const std::bad_alloc&) {
    for (const auto& [peer, handle] : kept) {
      const auto before = by_peer_.find(peer);
      if (before == by_peer_.end() || !(before->second == handle)) retire(handle);
    }
    throw;
  }
  for (const auto& [peer, handle] : by_peer_) {
    const auto now = kept.find(peer);
    if (now == kept.end() || !(now->second == handle)) retire(handle);
  }
  by_peer_ = std::move(kept);
  for (size_t id = 0; id < std::min(known_peers_, health_.size()); ++id) {
    if (by_peer_.count(PeerId{static_cast<uint32_t>(id)}) == 0) forget_check(health_[id]);
  }
}

// Once for each peer, however often its upstream lists it.
void HealthChecks::add(const UpstreamConfig& upstream, const PeerConfig& peer,
                       std::map<PeerId, Handle>& kept) {
  if (kept.count(peer.id) > 0) return;
  const std::string who = "upstream " + upstream.name + ": peer " + peer.name;
  if (static_cast<size_t>(peer.id) >= health_.size()) {
    return log_.recurring(
        LogLevel::warn, "peers beyond the room for their state",
        who + " is not checked: there are more than " + std::to_string(health_.size()) + " peers");
  }
  const CheckTarget target{peer.address, peer.uri, peer.uri.secure ? upstream.tls : nullptr,
                           upstream.check};
  const auto known = by_peer_.find(peer.id);
  if (known != by_peer_.end() && checked_.get(known->second)->target == target) {
    kept.emplace(peer.id, known->second);
    return;
  }
  const auto place = kept.emplace(peer.id, Handle()).first;
  try {
    place->second = checked_.create(Checked{.id = peer.id, .target = target, .who = who});
    Checked& checked = *checked_.get(place->second);
    arm(place->second, checked,
        random_up_to(std::min(first_within_ms, target.settings.interval_ms)), next_timer);
  } catch (const std::bad_alloc&) {
    if (place->second) checked_.retire(place->second);
    kept.erase(place);
    throw;
  }
}

void HealthChecks::retire(Handle handle) {
  Checked& checked = *checked_.get(handle);
  reactor_.cancel(checked.timer);
  checked.check.reset();
  checked_.retire(handle);
}

void HealthChecks::on_ready(Handle handle, unsigned, Readiness ready) {
  with(handle, [&](Checked& checked) {
    if (checked.check == nullptr) return;
    checked.check->note(ready);
    follow(handle, checked, checked.check->run());
  });
}

void HealthChecks::on_run(Handle handle) {
  with(handle, [&](Checked& checked) {
    if (checked.check != nullptr) follow(handle, checked, checked.check->run());
  });
}

void HealthChecks::on_timer(Handle handle, unsigned which) {
  with(handle, [&](Checked& checked) {
    checked.timer = 0;
    if (which == next_timer) return begin(handle, checked);
    if (checked.check != nullptr) follow(handle, checked, checked.check->on_timeout());
  });
}

void HealthChecks::begin(Handle handle, Checked& checked) {
  checked.begun_ms = reactor_.now_ms();
  arm(handle, checked, checked.target.settings.timeout_ms, timeout_timer);
  checked.check = std::make_unique<HealthCheck>(reactor_, Watch{id_, handle, 0}, checked.target);
  follow(handle, checked, checked.check->begin());
}

void HealthChecks::follow(Handle handle, Checked& checked, HealthCheck::Step step) {
  switch (step) {
    case HealthCheck::Step::wait:
      return;
    case HealthCheck::Step::again:
      return reactor_.enqueue(id_, handle);
    case HealthCheck::Step::passed:
      note_passed(checked);
      break;
    case HealthCheck::Step::failed:
      note_failed(checked);
      break;
    case HealthCheck::Step::unable:
      log_.recurring(LogLevel::error, "a check could not be made",
                     checked.who + " could not be checked: " + checked.check->why());
      break;
  }
  end(handle, checked);
}

// Whatever came of it, the next one comes.
void HealthChecks::end(Handle handle, Checked& checked) {
  checked.check.reset();
  const uint64_t taken_ms = reactor_.now_ms() - checked.begun_ms;
  const uint64_t pause_ms = jittered(checked.target.settings.interval_ms);
  arm(handle, checked, pause_ms - std::min(pause_ms, taken_ms), next_timer);
}

void HealthChecks::note_passed(Checked& checked) {
  PeerHealth& health = health_[static_cast<size_t>(checked.id)];
  add_one(health.checks);
  checked.failed = 0;
  ++checked.passed;
  const PeerCheck known = health.check.load(std::memory_order_relaxed);
  if (known == PeerCheck::none) return health.check.store(PeerCheck::up);
  if (known == PeerCheck::up || checked.passed < checked.target.settings.rise) return;
  const uint64_t was_out_ms = bring_back_by_check(health, reactor_.now_ms());
  log_.recurring(LogLevel::notice, checked.who + " is back by checks",
                 checked.who + ": is back after " + rough_time_text(was_out_ms) + ": " +
                     check_text(checked.target) + ": " + in_a_row(checked.passed) + " passed");
}

// The first outcome decides at once: a peer that was dead before the start is out from then on.
void HealthChecks::note_failed(Checked& checked) {
  PeerHealth& health = health_[static_cast<size_t>(checked.id)];
  add_one(health.checks);
  add_one(health.failed_checks);
  health.latest_check.store(checked.check->fault(), std::memory_order_relaxed);
  checked.passed = 0;
  ++checked.failed;
  const std::string what = check_text(checked.target) + ": " + checked.check->why();
  const PeerCheck known = health.check.load(std::memory_order_relaxed);
  const bool decides = known == PeerCheck::none || checked.failed >= checked.target.settings.fall;
  if (known == PeerCheck::down || !decides) {
    if (log_.enabled(LogLevel::debug)) {
      log_.error(LogLevel::debug, checked.who + ": " + what);
    }
    return;
  }
  put_out_by_check(health, reactor_.now_ms());
  log_.recurring(LogLevel::error, checked.who + " is out by checks",
                 checked.who + ": is out: " + what + "; " + in_a_row(checked.failed) + " failed");
}

// Throws std::bad_alloc only for a peer that is new: later ones take the place of the one before.
void HealthChecks::arm(Handle handle, Checked& checked, uint64_t delay_ms, unsigned which) {
  reactor_.cancel(std::exchange(checked.timer, 0));
  checked.timer = reactor_.arm(reactor_.now_ms() + delay_ms, id_, handle, which);
}

}  // namespace sluice
