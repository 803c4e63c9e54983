// Session: the exchange, relaying and the end. How peers take leave of each other is
// session_closing.cc, what time does to them session_pace.cc.
#include "core/session/session.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "core/observe/access_log.h"
#include "core/session/exchange.h"
#include "core/session/peer_log.h"
#include "core/session/session_extras.h"
#include "net/check.h"
#include "net/connector.h"
#include "net/sys.h"
#include "tls/refusal.h"
#include "tls/transport.h"

namespace sluice {

namespace {

TrafficCounters& from_side(RouteRow& row, Side source) {
  return source == Side::client ? row.from_client : row.from_upstream;
}

}  // namespace

Session::Session(WorkerContext& context, const ConfigRef& config, const ClientAddress& client,
                 uint32_t listener)
    : context_(context),
      config_(config),
      id_(context.next_session++),
      opened_ms_(context.reactor.now_ms()),
      client_(client),
      listener_(static_cast<uint16_t>(listener)) {
  SLUICE_CHECK(listener_ == listener);
}

Session::~Session() {
  SLUICE_CHECK(state_ == State::closed);
  if (peer_ != no_peer) context_.upstreams.peers().leave(peer_);
}

void Session::start(int fd, const Refusal* refused) {
  refused_ = refused;
  prepare_tcp_leg(fd);
  if (!lent().open(Side::client, fd)) {
    return close({EndKind::resources, "client could not be watched"}, End::abort);
  }
  arm_timer(listener().client_header_timeout_ms);
  if (refused == nullptr || Preface::wanted(listener())) return;  // its first byte is awaited
  leg(Side::client).assume_writable();
  begin_exchange();
}

SessionContext Session::lent() {
  return {.worker = context_,
          .config = *config_,
          .listener = listener(),
          .client_address = client_,
          .client = leg(Side::client),
          .upstream = leg(Side::upstream),
          .timer = timer_,
          .self = self(),
          .id = id_,
          .opened_ms = opened_ms_};
}

void Session::begin_exchange() {
  exchange_ = new Exchange(lent(), refused_);
  state_ = State::exchanging;
  follow(exchange_->begin());
}

// To be called when state_ has changed.
void Session::end_exchange() {
  delete exchange_;
  subprotocol_ = nullptr;
}

void Session::on_ready(Side side, Readiness ready) {
  Leg& ready_leg = leg(side);
  if (!ready_leg.is_open()) return;  // closed earlier in this turn
  ready_leg.note(ready);
  if (ready.writable) ready_leg.flush_held();
  switch (state_) {
    case State::accepted:
      if (ready_leg.readable) begin_exchange();
      return;
    case State::exchanging:
      return follow(exchange_->on_ready(side, ready));
    case State::relaying:
    case State::closing:
      return serve(side, ready);
    case State::lingering:
      return advance_lingering();
    case State::waiting:
      if (ready_leg.readable) resume();
      return;
    case State::closed:
      return;
  }
}

void Session::on_rival_ready(Readiness ready) {
  if (state_ == State::exchanging) follow(exchange_->on_rival_ready(ready));
}

// A busy session waits until the others of this turn are served.
void Session::serve(Side side, Readiness ready) {
  if (state_ == State::relaying) note_ready(side, ready);
  if (busy_) return enqueue();
  const uint64_t before = accepted_bytes();
  const uint32_t moved_before = moved_if_paced();
  note_unread(other(side));  // an edge may end that
  if (ready.readable) pump(side);
  if (ready.writable && state_ != State::closed && !toward(side).delivered()) pump(other(side));
  note_moved(moved_before);
  if (extras_ != nullptr) note_answer(side);
  if (state_ == State::closing) settle_closing();
  busy_ = FairShare::busy(busy_, accepted_bytes() - before);
  const bool large = directions_[0].moves_large_frames() || directions_[1].moves_large_frames();
  if (!busy_ && !large) context_.fair_share.served_light(now_ms());
}

uint64_t Session::accepted_bytes() const {
  return directions_[0].bytes() + directions_[1].bytes();
}

void Session::on_timer() {
  timer_.expired();
  switch (state_) {
    case State::accepted:
      Exchange::log_silent(lent());
      return close({});
    case State::exchanging:
      return follow(exchange_->on_timer());
    case State::relaying:
      return on_relaying_timer();
    case State::closing:
      return on_close_timer();
    case State::lingering:
    case State::waiting:
      return close({});
    case State::closed:
      return;
  }
}

void Session::on_run() {
  run_queued_ = false;
  switch (state_) {
    case State::accepted:
    case State::waiting:
      return;
    case State::exchanging:
      return follow(exchange_->on_run());
    case State::relaying:
    case State::closing:
      return run();
    case State::lingering:
      return advance_lingering();
    case State::closed:
      return;
  }
}

void Session::run() {
  const uint64_t before = accepted_bytes();
  const uint32_t moved_before = moved_if_paced();
  note_unread(Side::client);
  note_unread(Side::upstream);
  pump(Side::client);
  if (state_ != State::closed) pump(Side::upstream);
  note_moved(moved_before);
  if (state_ == State::closing) settle_closing();
  busy_ = FairShare::busy(busy_, accepted_bytes() - before);
}

void Session::leave(CloseCode code, EndCause cause, Boundary boundary, std::string_view reason) {
  const bool at_once = boundary == Boundary::frame;
  switch (state_) {
    case State::accepted:
    case State::exchanging:
    case State::waiting:
      if (at_once || awaits_request()) close(cause);
      return;
    case State::relaying:
      reason = keep_reason(reason);
      return at_once ? end_on_both(code, cause, reason) : take_leave(code, cause, reason);
    case State::closing:  // nobody else's Close is awaited any more
      if (at_once) end_on_both(code, cause, keep_reason(reason));
      return;
    case State::lingering:
    case State::closed:
      return;
  }
}

void Session::close(EndCause cause, End how) {
  if (state_ == State::closed) return;
  const Handle handle = self();
  const State ended = state_;
  state_ = State::closed;
  const bool relayed = ended == State::relaying || ended == State::closing;
  context_.row.gone.add(1);
  if (ended == State::exchanging && exchange_->end_would_hide()) how = End::abort;
  if (ended == State::exchanging) exchange_->log_unanswered(cause.text);
  if (ended == State::accepted || (ended == State::exchanging && exchange_->fails_uncounted())) {
    context_.row.failed.add(1);
  }
  if (ended == State::lingering) --context_.lingering_now;
  timer_.cancel(context_.reactor);
  close_leg(Side::client, how);
  close_leg(Side::upstream, how);
  if (ended == State::exchanging) end_exchange();
  if (ended == State::waiting) end_waiting();
  if (relayed) {
    --context_.relaying;
    set_cause(cause);
    count_end();
    log_close();
    delete[] subprotocol_;
  }
  for (const Side side : {Side::client, Side::upstream}) {
    from(side).release(context_.transits, traffic(side));
  }
  delete std::exchange(extras_, nullptr);
  if (has_close_reason_) context_.close_reasons.drop(id_);
  if (counted_ != 0) leave_counts(context_.clients, counted_, client_, listener(), route_);
  context_.sessions.retire(handle);
}

void Session::log_open(const Exchange& exchange) {
  Log& log = context_.log;
  if (!log.access_enabled()) return;
  const LogFormat& format = log.access_format();
  SessionRecord opened = exchange.record();
  opened.handshake_ms = static_cast<uint32_t>(now_ms() - opened_ms_);
  log.access(access_line(format, SessionEvent::open, opened));
  if (format.wanted().both(LogMemory::fields).none()) return;
  extras_ = new SessionExtras;
  extras_->room().log = std::make_unique<LogMemory>(opened, format);
}

void Session::count_end() {
  const auto kind = static_cast<size_t>(end_kind_);
  context_.row.ended[kind].add(1);
  context_.row.sessions_ms.add(now_ms() - opened_ms_);
  context_.labels.route(route_->id).closed[static_cast<size_t>(closed_by_)][kind].add(1);
}

void Session::log_close() noexcept {
  Log& log = context_.log;
  if (!log.access_enabled()) return;
  try {
    const LogFormat& format = log.access_format();
    SessionRecord last = record();
    last.reason = reason_text();
    if (format.wanted().has(LogField::listener)) last.listener = listener().address.text();
    if (format.wanted().has(LogField::upstream)) {
      last.upstream = config_->upstream(route_->upstream).name;
    }
    if (extras_ != nullptr && extras_->log() != nullptr) extras_->log()->recall(last);
    log.access(access_line(format, SessionEvent::close, last));
  } catch (const std::bad_alloc&) {
    log.access_sink.lose_line();  // the session still ends in order
  }
}

// The first cause counts; what follows is its consequence.
void Session::set_cause(EndCause cause) {
  if (end_kind_ != EndKind::none) return;
  end_kind_ = cause.kind;
  end_text_ = cause.text;
}

SessionRecord Session::record() const {
  const Direction& up = from(Side::client);
  const Direction& down = from(Side::upstream);
  SessionRecord record;
  record.id = context_.id_text(id_);
  record.client = client_.text();
  record.route = route_->name();
  record.peer = context_.upstreams.peers().at(peer_).name;
  if (subprotocol_ != nullptr) record.subprotocol = subprotocol_;
  record.from_client = {up.bytes(), up.messages()};
  record.from_upstream = {down.bytes(), down.messages()};
  record.duration_ms = now_ms() - opened_ms_;
  if (extras_ != nullptr) {
    record.client_rtt_us = extras_->pings[index_of(Side::client)].round_trip_us();
    record.upstream_rtt_us = extras_->pings[index_of(Side::upstream)].round_trip_us();
  }
  record.closed_by = closed_by_;
  record.fault = fault_;
  record.code = close_code_;
  record.sent_client = own_codes_[index_of(Side::client)];
  record.sent_upstream = own_codes_[index_of(Side::upstream)];
  return record;
}

// Why it ended, for the log; where a peer broke a limit, with the limit and what was seen.
std::string Session::reason_text() const {
  for (const Side source : {Side::client, Side::upstream}) {
    std::string text = from(source).explanation_of(end_text_, rules_for(source));
    if (!text.empty()) return text;
  }
  if (std::string_view(end_text_) == TlsTransport::silence) {
    return silence_text(closed_by_ == Party::client ? Side::client : Side::upstream);
  }
  return end_text_;
}

std::string Session::silence_text(Side source) const {
  if (source == Side::client) return describe_silence(listener().tls->records_without_data());
  // A newer Config may have brought the peer, or TLS to its upstream, after the session began.
  const auto& tls = context_.upstreams.at(route_->upstream).tls();
  return describe_silence(tls != nullptr ? tls->records_without_data()
                                         : TlsPolicy().records_without_data);
}

void Session::close_leg(Side side, End how) {
  if (!leg(side).is_open()) return;
  leg(side).close(context_.reactor, how);
  if (state_ == State::exchanging || state_ == State::waiting) return;
  Direction& to = toward(side);
  if (!to.over() || !to.delivered()) {  // that Close never left
    own_codes_[index_of(side)] = 0;
    if (extras_ != nullptr && extras_->log() != nullptr) extras_->log()->passed[index_of(side)] = 0;
  }
  to.drop(context_.transits, traffic(other(side)));
}

void Session::arm_timer(uint64_t delay_ms) {
  timer_.arm(context_.reactor, context_.handler, self(), delay_ms);
}

void Session::follow(ExchangeStep step) {
  switch (step) {
    case ExchangeStep::wait:
      if (exchange_->stalled()) watch_stall();
      return;
    case ExchangeStep::again:
      return enqueue();
    case ExchangeStep::relay:
      return begin_relaying();
    case ExchangeStep::linger:
      return begin_lingering();
    case ExchangeStep::next:
      return begin_waiting();
    case ExchangeStep::http2:
      return hand_over();
    case ExchangeStep::abandon:
    case ExchangeStep::abort:
      return close({EndKind::none, exchange_->reason()},
                   step == ExchangeStep::abort ? End::abort : End::orderly);
  }
}

// The Exchange dies here; what came early with it travels first.
void Session::begin_relaying() {
  // The client has its 101: whatever fails from here on ends a relayed session.
  state_ = State::relaying;
  ++context_.relaying;
  context_.row.relayed.add(1);
  const std::unique_ptr<Exchange> exchange(exchange_);
  subprotocol_ = nullptr;
  route_ = exchange->route();
  counted_ = (counted_ | exchange->take_counts()) & 7;  // of three bits
  context_.labels.route(route_->id).opened.add(1);
  context_.row.handshakes_ms.add(now_ms() - opened_ms_);
  peer_ = context_.upstreams.peers().enter(exchange->peer()).id;
  deflate_ = exchange->deflate();
  if (const std::string_view name = exchange->subprotocol(); !name.empty()) {
    subprotocol_ = new char[name.size() + 1]();
    std::memcpy(subprotocol_, name.data(), name.size());
  }
  log_open(*exchange);
  last_activity_ms_ = static_cast<uint32_t>(now_ms());
  begin_timing(exchange->token_ends_ms());
  if (route_->tcp_keepalive_ms > 0) {
    for (const Leg& each : legs_) {
      sys::set_keep_alive(each.socket(), route_->tcp_keepalive_ms / 1000);
    }
  }
  for (const Side side : {Side::client, Side::upstream}) {
    const std::string_view early = exchange->early(side);
    TrafficCounters& counts = traffic(side);
    const FrameRules rules = rules_for(side, &counts.frames);
    const PumpEnd end = from(side).begin_with(
        path(side, rules, counts), {reinterpret_cast<const uint8_t*>(early.data()), early.size()});
    charge(side, Accepted{});
    if (end != PumpEnd::waiting) act_on(end, side);
  }
  on_run();
}

Session::Accepted Session::accepted(Side source) const {
  return {from(source).bytes(), from(source).messages()};
}

// Before it relays nothing is counted there.
TrafficCounters& Session::traffic(Side source) const {
  RouteRow& row = route_ != nullptr ? context_.labels.route(route_->id)
                                    : context_.labels.routes[LabelRows::no_route];
  return from_side(row, source);
}

void Session::pump(Side source) {
  Direction& direction = from(source);
  TrafficCounters& counts = from_side(context_.labels.route(route_->id), source);
  // Every outcome that is acted on happens once for a direction, so this ends.
  for (;;) {
    const FrameRules rules = rules_for(source, &counts.frames);
    const Accepted before = limits_rates() ? accepted(source) : Accepted{};
    const PumpEnd end = direction.pump(path(source, rules, counts));
    charge(source, before);
    const bool settled = end == PumpEnd::waiting || end == PumpEnd::more;
    if (!settled) act_on(end, source);
    if (state_ == State::closed) return;
    if (!settled || act_on_rates(source)) continue;
    if (end == PumpEnd::more) enqueue();
    break;
  }
  note_unread(source);
  if (direction.stalled()) watch_stall();
}

void Session::act_on(PumpEnd end, Side source) {
  switch (end) {
    case PumpEnd::waiting:
    case PumpEnd::more:
      return;
    case PumpEnd::closed:
      return on_peer_close(source);
    case PumpEnd::faulty:
      return on_fault(source);
    case PumpEnd::source_ended:
      return on_left(source, Departure::ended);
    case PumpEnd::source_failed:
      return on_left(source, Departure::failed);
    case PumpEnd::target_failed:
      return on_unwritable(other(source));
  }
}

Between Session::path(Side source, const FrameRules& rules, TrafficCounters& counts) {
  Between between{leg(source),
                  leg(other(source)),
                  context_.transits,
                  rules,
                  counts,
                  static_cast<uint32_t>(now_ms()),
                  source == Side::client,
                  context_.fair_share.light_beside(now_ms())};
  if (extras_ != nullptr) {
    between.most_bytes = bytes_allowed(source);
    between.ping = &extras_->pings[index_of(source)];
  }
  return between;
}

FrameRules Session::rules_for(Side source, FrameCounts* counts) const {
  FrameRules rules;
  rules.counts = counts;
  rules.expect_masked = source == Side::client;
  rules.deflate = deflate_;
  rules.validate_utf8 = route_->validate_utf8;
  rules.max_small_fragments = route_->max_small_fragments;
  rules.control_frames = route_->control_frame_rate;
  rules.max_message_bytes = route_->max_message_bytes;
  if (extras_ != nullptr) {
    rules.most_messages = messages_allowed(source);
    if (extras_->pings[index_of(source)].expects_pongs()) rules.own_pong_tag = ping_tag(source);
  }
  return rules;
}

void Session::enqueue() {
  if (run_queued_) return;
  run_queued_ = true;
  context_.reactor.enqueue(context_.handler, self());
}

}  // namespace sluice
