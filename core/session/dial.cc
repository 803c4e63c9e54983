// Dial: an attempt at one peer after the other, or beside the other, until one is connected or none
// is left.
#include "core/session/dial.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "protocol/error_answer.h"

namespace sluice {

namespace {

constexpr const char* no_peer_reached = "no peer could be reached";
constexpr const char* out_of_descriptors = "out of descriptors";

}  // namespace

Dial::Dial(const SessionContext& lent, const RouteConfig& route, std::string preamble)
    : lent_(lent),
      route_(route),
      preamble_(std::move(preamble)),
      first_(lent, route, lent.upstream, index_of(Side::upstream), preamble_) {}

Dial::~Dial() {
  end_rival();
}

Dial::Step Dial::begin(const Wish& wish) {
  begun_ms_ = lent_.now_ms();
  walk_ = upstream().begin(
      {.key = wish.key.value_or(0),
       .keyed = wish.key.has_value(),
       .now_ms = begun_ms_,
       .probe_ms = uint64_t{route_.connect_timeout_ms} + route_.handshake_timeout_ms,
       .token = wish.token});
  return connect_next();
}

Dial::Step Dial::run() {
  const bool decided = first_.connected();
  const Step step = settle(first_.run());
  if (step == Step::ready && !decided) {
    end_rival();
    arm();
  }
  if (step == Step::ready || step == Step::failed || rival_ == nullptr) return step;
  const Step other = run_rival();
  return other == Step::wait ? step : other;
}

Dial::Step Dial::settle(Attempt::Step step) {
  switch (step) {
    case Attempt::Step::wait:
      arm();
      return Step::wait;
    case Attempt::Step::again:
      return Step::again;
    case Attempt::Step::ready:
      return Step::ready;
    case Attempt::Step::failed:
      break;
  }
  failure_ = first_.failure();
  if (first_.lacked_descriptor() && rival_ == nullptr) return fail({503, out_of_descriptors});
  return on_first_failed(PeerFault::error);
}

void Dial::note_rival(Readiness ready) {
  if (rival_ != nullptr && rival_->leg.is_open()) rival_->leg.note(ready);
}

Dial::Step Dial::on_timer() {
  const uint64_t now_ms = lent_.now_ms();
  if (rival_at_ms_ != 0 && now_ms < first_.deadline_ms()) {
    if (rival_ == nullptr) {
      begin_rival();
    } else if (now_ms >= rival_->attempt.deadline_ms()) {
      note_time_out(rival_->attempt);
      end_rival();
      begin_rival();
    }
    arm();
    return Step::wait;
  }
  note_time_out(first_);
  return on_first_failed(PeerFault::timeout);
}

void Dial::note_time_out(Attempt& attempt) {
  timeout_ = attempt.time_limit();
  limit_ = attempt.time_out();
}

Dial::Step Dial::leave(PeerFault fault, std::string_view what, const char* reason) {
  first_.note_failure(fault, what, reason);
  failure_ = reason;
  return go_on(fault);
}

bool Dial::may_try_another() const {
  if (stays_) return false;
  if (route_.next_peer_tries != 0 && tries_ >= route_.next_peer_tries) return false;
  const uint64_t taken_ms = lent_.now_ms() - begun_ms_;
  if (route_.next_peer_timeout_ms != 0 && taken_ms >= route_.next_peer_timeout_ms) return false;
  return upstream().has_next(walk_);
}

bool Dial::may_leave(PeerFault fault, int status) const {
  const NextPeerOn& on = route_.next_peer_on;
  const bool named = (fault == PeerFault::error && on.error) ||
                     (fault == PeerFault::timeout && on.timeout) ||
                     (fault == PeerFault::invalid_answer && on.invalid_answer) ||
                     (fault == PeerFault::status && on.has(status));
  return named && may_try_another();
}

// may_leave() of a status was asked before.
Dial::Step Dial::go_on(PeerFault fault) {
  if (fault == PeerFault::status || may_leave(fault)) return connect_next();
  lent_.upstream.close(lent_.worker.reactor, End::orderly);
  return fail_for_want_of_peers();
}

// Who was tried beside it goes on in its place.
Dial::Step Dial::on_first_failed(PeerFault fault) {
  return rival_ != nullptr ? promote_rival() : go_on(fault);
}

std::optional<PeerId> Dial::next_peer(bool& probing) {
  const std::optional<PeerId> peer = upstream().next(walk_);
  if (!peer) return std::nullopt;
  probing = walk_.probes && tries_ == 0 && walk_.next == 1;
  ++tries_;
  if (lent_.worker.log.access_format().wanted().has(LogField::peers_tried)) {
    if (!tried_.empty()) tried_ += ',';
    tried_ += lent_.worker.upstreams.peers().at(*peer).name;
  }
  return peer;
}

Dial::Step Dial::connect_next() {
  lent_.upstream.close(lent_.worker.reactor, End::orderly);
  rival_at_ms_ = 0;
  bool probing = false;
  while (const std::optional<PeerId> peer = next_peer(probing)) {
    if (tries_ > 1) lent_.worker.row.retries.add(1);
    if (reuses_ && preamble_.empty() && !probing && first_.reuse(*peer)) {
      arm();
      return Step::ready;
    }
    if (first_.begin(*peer, probing) == Attempt::Step::wait) return await_first();
    failure_ = first_.failure();
    if (first_.lacked_descriptor()) return fail({503, out_of_descriptors});
    if (!may_leave(PeerFault::error)) break;
  }
  return fail_for_want_of_peers();
}

Dial::Step Dial::await_first() {
  if (route_.hedge_after_ms != 0) rival_at_ms_ = lent_.now_ms() + route_.hedge_after_ms;
  arm();
  return Step::wait;
}

// The others that were kept may have ended as well.
Dial::Step Dial::redial() {
  reuses_ = false;
  redialled_ = true;
  if (first_.begin(peer()->id, /*probing=*/false) == Attempt::Step::wait) return await_first();
  failure_ = first_.failure();
  if (first_.lacked_descriptor()) return fail({503, out_of_descriptors});
  return go_on(PeerFault::error);
}

// A PROXY header names one client for all of a connection; another conf may want one.
bool Dial::may_keep() const {
  return preamble_.empty() && upstream().settings().keepalive > 0 && !lent_.worker.leaving &&
         &*lent_.worker.config == &lent_.config;
}

// One at a time; a rival that fails at once leaves it to the next one. Where there is no descriptor
// for it, its peer keeps its turn, and no other one comes.
void Dial::begin_rival() {
  bool probing = false;
  while (may_try_another()) {
    const size_t place = walk_.next;
    const size_t tried_bytes = tried_.size();
    const std::optional<PeerId> peer = next_peer(probing);
    rival_ = std::make_unique<Rival>(lent_, route_, preamble_);
    if (websocket_) rival_->attempt.ask_for_websocket();
    if (rival_->attempt.begin(*peer, probing) == Attempt::Step::wait) return;
    const bool lacked_descriptor = rival_->attempt.lacked_descriptor();
    if (!lacked_descriptor) failure_ = rival_->attempt.failure();
    end_rival();
    if (!lacked_descriptor) continue;
    walk_.next = place;
    tried_.resize(tried_bytes);
    --tries_;
    break;
  }
  rival_at_ms_ = 0;
}

void Dial::end_rival() {
  if (rival_ != nullptr) rival_->leg.close(lent_.worker.reactor, End::orderly);
  rival_.reset();
}

Dial::Step Dial::run_rival() {
  switch (rival_->attempt.run()) {
    case Attempt::Step::wait:
      return Step::wait;
    case Attempt::Step::again:
      return Step::again;
    case Attempt::Step::ready:
      // The one that it passed had hedge_after: else each session would wait so long for it anew.
      first_.note_fault(PeerFault::timeout);
      return promote_rival();
    case Attempt::Step::failed:
      break;
  }
  failure_ = rival_->attempt.failure();
  end_rival();
  begin_rival();
  arm();
  return Step::wait;
}

Dial::Step Dial::promote_rival() {
  lent_.upstream.close(lent_.worker.reactor, End::orderly);
  const bool taken = first_.take_over(rival_->attempt);
  end_rival();
  rival_at_ms_ = 0;
  if (!taken) return go_on(PeerFault::error);
  if (!first_.connected()) rival_at_ms_ = lent_.now_ms() + route_.hedge_after_ms;
  arm();
  return first_.connected() ? Step::ready : Step::wait;
}

// The session has one timer.
void Dial::arm() {
  uint64_t at_ms = first_.deadline_ms();
  if (first_.connected()) rival_at_ms_ = 0;
  if (rival_ != nullptr) {
    at_ms = std::min(at_ms, rival_->attempt.deadline_ms());
  } else if (rival_at_ms_ != 0) {
    at_ms = std::min(at_ms, rival_at_ms_);
  }
  lent_.arm(at_ms - std::min(at_ms, lent_.now_ms()));
}

// What the latest that answered said outranks that others were late.
Dial::Step Dial::fail_for_want_of_peers() {
  if (failure_ != nullptr) return fail({502, failure_});
  if (timeout_ != nullptr) return fail({504, timeout_, std::move(limit_)});
  if (tries_ > 0) return fail({502, no_peer_reached});
  if (upstream().empty()) {
    return fail({503, unresolved_reason, "every server of the upstream"});
  }
  if (upstream().all_drained()) {
    return fail({503, drained_reason, "every server of the upstream"});
  }
  return fail({503, peers_full_reason, "every server of the upstream that is not drained"});
}

Dial::Step Dial::fail(Refusal refusal) {
  refusal_ = std::move(refusal);
  return Step::failed;
}

}  // namespace sluice
