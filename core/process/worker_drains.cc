// WorkerDrains: one timer for all drains, armed when a turn ends, so that memory that is short
// then puts it off to the next turn's end and loses nothing.
#include "core/process/worker_drains.h"

#include <algorithm>
#include <new>
#include <utility>

#include "net/sys.h"
#include "protocol/uri.h"

namespace sluice {

namespace {

constexpr Handle own_handle{0, 1};
constexpr unsigned drain_step = 0;  // timers
constexpr unsigned health_look = 1;
constexpr uint64_t health_look_ms = 1'000;
constexpr EndCause told_by_order{EndKind::drain, "drain"};
constexpr EndCause peer_gone{EndKind::drain, "on_peer_gone"};

double random_phase() {
  uint32_t drawn = 0;
  sys::random_bytes(&drawn, sizeof drawn);
  return static_cast<double>(drawn) / 4294967296.0;
}

}  // namespace

// The sessions that an order is about.
class WorkerDrains::Sessions final : public DrainGround {
 public:
  Sessions(WorkerContext& context, const UnderWay& drain) : context_(context), drain_(drain) {}

  uint32_t places() const override { return context_.sessions.places(); }
  bool matches(uint32_t place) override {
    const Session* const session = context_.sessions.at(place);
    return session != nullptr && session->state() == Session::State::relaying && is_of(*session);
  }
  bool leaving(uint32_t place) override {
    const Session* const session = context_.sessions.at(place);
    return session != nullptr && session->state() == Session::State::closing && is_of(*session);
  }
  void tell(uint32_t place) override {
    Session& session = *context_.sessions.at(place);
    try {
      session.leave(drain_.order.code, drain_.cause, Boundary::message);
    } catch (const std::bad_alloc&) {
      session.close({EndKind::resources, "out of memory"}, End::abort);
    }
  }

 private:
  bool is_of(const Session& session) const {
    if (drain_.gone_wave != 0) {
      const uint32_t wave = context_.upstreams.peers().at(session.peer()).gone;
      return wave != 0 && wave <= drain_.gone_wave;
    }
    const Part& part = drain_.order.part;
    switch (part.kind) {
      case Part::Kind::everything:
        return true;
      case Part::Kind::upstream:
        return session.route()->upstream == part.upstream;
      case Part::Kind::server:
        return context_.upstreams.peers().at(session.peer()).drain == drain_.order.number;
      case Part::Kind::route:
        return session.route()->is_called(part.text);
      case Part::Kind::listener:
        return session.listener().id == part.listener;
    }
    return false;
  }

  WorkerContext& context_;
  const UnderWay& drain_;
};

bool watches_health(const Config& config) {
  return std::any_of(config.upstreams.begin(), config.upstreams.end(),
                     [](const UpstreamConfig& upstream) {
                       return upstream.on_peer_gone == OnPeerGone::drain &&
                              upstream.check.kind != CheckSettings::Kind::off;
                     });
}

WorkerDrains::WorkerDrains(WorkerContext& context)
    : context_(context), id_(context.reactor.attach(*this)) {
  for (DrainGauges& each : context.row.drains) each.number.set(0);  // of a worker before
}

WorkerDrains::~WorkerDrains() {
  context_.reactor.cancel(timer_);
  context_.reactor.cancel(health_timer_);
}

void WorkerDrains::drain_all(uint64_t window_ms, CloseCode code) {
  if (all_) return;
  DrainOrder order;
  order.window_ms = window_ms;
  order.code = code;
  all_.emplace(
      UnderWay{order, shutting_down, Drain(window_ms, context_.reactor.now_ms(), random_phase())});
}

void WorkerDrains::drain_gone(uint64_t window_ms) {
  if (window_ms == 0) return;
  if (gone_) {
    later_window_ms_ = window_ms;
  } else {
    begin_wave(window_ms);
  }
}

void WorkerDrains::begin_wave(uint64_t window_ms) {
  DrainOrder order;
  order.window_ms = window_ms;
  order.code = CloseCode::service_restart;
  gone_.emplace(
      UnderWay{order, peer_gone, Drain(window_ms, context_.reactor.now_ms(), random_phase())});
  gone_->gone_wave = ++gone_wave_;
}

// Checks are the keeper's, who writes what it finds into memory that workers share: nothing tells
// them of it.
void WorkerDrains::watch_health(bool watch) {
  if (watch == (health_timer_ != 0)) return;
  context_.reactor.cancel(std::exchange(health_timer_, 0));
  if (watch) {
    health_timer_ = context_.reactor.arm(context_.reactor.now_ms() + health_look_ms, id_,
                                         own_handle, health_look);
  }
}

void WorkerDrains::look_at_health() {
  health_timer_ = 0;
  if (context_.upstreams.mark_unwell(next_wave())) drain_gone(context_.config->drain_timeout_ms);
  watch_health(watches_health(*context_.config));  // there is room: this one's timer is over
}

// What may lack memory comes first.
void WorkerDrains::use(std::span<const DrainOrder> orders) {
  std::vector<Part> drained;
  std::vector<std::unique_ptr<UnderWay>> fresh;
  fresh.reserve(orders.size());
  for (const DrainOrder& order : orders) {
    drained.push_back(order.part);
    const bool begun = std::any_of(parts_.begin(), parts_.end(), [&order](const auto& each) {
      return each->order.number == order.number;
    });
    if (begun) continue;
    fresh.push_back(std::make_unique<UnderWay>(UnderWay{
        order, told_by_order, Drain(order.window_ms, context_.reactor.now_ms(), random_phase())}));
  }
  parts_.reserve(parts_.size() + fresh.size());
  context_.drained.use(std::move(drained));
  std::erase_if(parts_, [&](const auto& each) {
    const bool stays = std::any_of(orders.begin(), orders.end(), [&each](const DrainOrder& order) {
      return each->order.number == order.number;
    });
    if (!stays) context_.row.drains[each->order.place].number.set(0);
    return !stays;
  });
  for (auto& each : fresh) parts_.push_back(std::move(each));
  mark_peers();
  for (const auto& each : parts_) tell_left(*each);
}

// A peer is drained by its URI, whatever addresses its host has in a later conf.
void WorkerDrains::mark_peers() {
  const auto number_of = [this](UpstreamId upstream, const ServerUri& uri) -> uint32_t {
    for (const auto& each : parts_) {
      const Part& part = each->order.part;
      if (part.kind != Part::Kind::server || part.upstream != upstream) continue;
      const Result<ServerUri> named = parse_server_uri(part.text);
      if (named.ok() && named.value() == uri) return each->order.number;
    }
    return 0;
  };
  context_.upstreams.mark_drained(number_of, [this](UpstreamId upstream) {
    return std::any_of(parts_.begin(), parts_.end(), [upstream](const auto& each) {
      const Part& part = each->order.part;
      return part.kind == Part::Kind::everything ||
             (part.kind == Part::Kind::upstream && part.upstream == upstream);
    });
  });
}

void WorkerDrains::on_timer(Handle, unsigned which) {
  if (which == health_look) return look_at_health();
  timer_ = 0;
  run_due();
}

void WorkerDrains::on_run(Handle) {
  queued_ = false;
  run_due();
}

void WorkerDrains::run_due() {
  const uint64_t now_ms = context_.reactor.now_ms();
  Drain::Budget budget;
  const auto run = [&](UnderWay& each) {
    if (!each.soon && now_ms < each.drain.due_ms()) return;
    Sessions sessions(context_, each);
    each.soon = each.drain.run(sessions, now_ms, budget) == Drain::Next::soon;
    if (each.order.number != 0) tell_left(each);
  };
  if (all_) run(*all_);
  if (gone_) run(*gone_);
  if (gone_ && gone_->drain.is_over()) gone_.reset();
  if (!gone_ && later_window_ms_ != 0) begin_wave(std::exchange(later_window_ms_, 0));
  // Another one is the first each time, so that each comes to what the others leave.
  ++first_;
  for (size_t i = 0; i < parts_.size(); ++i) run(*parts_[(first_ + i) % parts_.size()]);
}

void WorkerDrains::tell_left(const UnderWay& drain) {
  DrainGauges& told = context_.row.drains[drain.order.place];
  if (!drain.drain.has_looked()) return;
  told.left.set(drain.drain.left() + drain.drain.leaving());
  told.number.set(drain.order.number);
}

void WorkerDrains::on_turn_end() {
  if (!all_ && !gone_ && parts_.empty()) return;
  bool soon = false;
  uint64_t due_ms = UINT64_MAX;
  const auto await = [&](const UnderWay& each) {
    soon = soon || each.soon;
    due_ms = std::min(due_ms, each.drain.due_ms());
  };
  if (all_) await(*all_);
  if (gone_) await(*gone_);
  for (const auto& each : parts_) await(*each);
  try {
    if (soon && !queued_) {
      context_.reactor.enqueue(id_, own_handle);
      queued_ = true;
    }
    if (soon || (timer_ != 0 && timer_due_ms_ <= due_ms)) return;
    context_.reactor.cancel(std::exchange(timer_, 0));
    timer_due_ms_ = due_ms;
    timer_ = context_.reactor.arm(due_ms, id_, own_handle, drain_step);
  } catch (const std::bad_alloc&) {
  }
}

}  // namespace sluice
