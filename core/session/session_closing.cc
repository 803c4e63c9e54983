// How a session ends once it relays: faults, Close frames, peers that leave, and timeouts
// (core/DESIGN.md section 7, leaving a leg).
#include <string>

#include "core/session/peer_log.h"
#include "core/session/session.h"
#include "core/session/session_extras.h"
#include "tls/transport.h"

namespace sluice {

namespace {

// However much moves, an end takes no more than that many times close_timeout; it is in the
// directive's help. A frame that never ends would put it off for good.
constexpr unsigned most_close_waits = 12;
static_assert(most_close_waits < 16);  // Session::close_waits_

Party who_is(Side side) {
  return side == Side::client ? Party::client : Party::upstream;
}

}  // namespace

// As set_cause().
void Session::record_end(Party who, EndCause cause, Party fault) {
  if (closed_by_ != Party::nobody) return;
  closed_by_ = who;
  fault_ = fault;
  set_cause(cause);
}

// A Close toward `target` at a frame boundary, or, where there cannot be one any more, an abort.
// Returns false after an abort.
bool Session::send_close(Side target, CloseCode code, MidFrame mid_frame, std::string_view reason) {
  Direction& to = toward(target);
  if (!leg(target).is_open() || to.over()) return true;
  const FrameRules rules = rules_for(other(target));
  const bool waits = to.mode() == Direction::Mode::finishing;  // one of ours, with its own code
  if (!to.close_with(path(other(target), rules, traffic(other(target))), code, mid_frame, reason)) {
    close_leg(target, End::abort);
    return false;
  }
  if (!waits) own_codes_[index_of(target)] = static_cast<uint16_t>(code);
  return true;
}

// The other peer is lost, and this one is to see what it would see without a proxy: what was
// received whole, then the connection's end without a Close. Returns false after an abort, inside a
// frame of which some was sent. lost_close_code is for clients that are still there: to one that
// has ended its own half, the upstream's end is the answer. A client that goes because we told it
// to is no loss.
bool Session::pass_loss_on(Side target) {
  if (target == Side::upstream && awaits_clients_close()) {
    return send_close(target, static_cast<CloseCode>(own_codes_[0]), MidFrame::give_up,
                      close_reason());
  }
  const bool tells = target == Side::client && route_->lost_close_code != 0;
  if (tells && !leg(target).input_ended) {
    return send_close(target, static_cast<CloseCode>(route_->lost_close_code), MidFrame::give_up);
  }
  if (!leg(target).is_open()) return true;
  const FrameRules rules = rules_for(other(target));
  if (toward(target).end_without_close(path(other(target), rules, traffic(other(target)))))
    return true;
  close_leg(target, End::abort);
  return false;
}

// Bytes that have gone out in either direction, modulo 2^32, to see whether anything moves.
uint32_t Session::moved_bytes() const {
  uint64_t sum = 0;
  for (const Direction& direction : directions_)
    sum += direction.bytes() - direction.queued_frames();
  return static_cast<uint32_t>(sum);
}

// True while a message is on its way, or what was received waits to be sent.
bool Session::has_unfinished() const {
  for (const Direction& direction : directions_) {
    const bool inside = !direction.over() && !direction.at_boundary();
    if (inside || !direction.delivered()) return true;
  }
  return false;
}

// One peer has ended its sending half alone, as TCP permits, and takes what the other one sends.
bool Session::half_closed() const {
  for (const Side side : {Side::client, Side::upstream}) {
    const Leg& ended = legs_[index_of(side)];
    const Direction& to = toward(side);
    if (ended.is_open() && ended.input_ended && to.mode() == Direction::Mode::flowing) return true;
  }
  return false;
}

void Session::on_fault(Side source) {
  const Direction& faulty = from(source);
  end_for_fault(source, faulty.fault_code(), {EndKind::protocol_error, faulty.fault_reason()});
}

// The one at fault is told its code. The other one is treated as at a loss of the client; that an
// upstream talked nonsense is told the client as what it is.
void Session::end_for_fault(Side source, CloseCode code, EndCause cause) {
  record_end(Party::proxy, cause, who_is(source));
  if (source == Side::client) {
    pass_loss_on(Side::upstream);
  } else {
    send_close(Side::client, CloseCode::bad_gateway, MidFrame::give_up);
    log_upstream(cause.text, std::string(cause.text) + ": it gets Close " +
                                 std::to_string(static_cast<int>(code)) + ", the client 1014");
  }
  send_close(source, code, MidFrame::await_end);
  extends_while_moving_ = false;
  begin_closing();
  pump(other(source));
}

void Session::log_upstream(const char* kind, std::string_view what) const {
  const PeerLog log{context_, config_->upstream(route_->upstream), "session", id_};
  log.tell(context_.upstreams.peers().at(peer_), LogLevel::warn, kind, what);
}

// The Close is queued for the other peer, which answers it; until then its data travels on.
void Session::on_peer_close(Side source) {
  const uint16_t code = from(source).peer_close_code();
  context_.labels.route(route_->id).close_codes[index_of(source)][close_place(code)].add(1);
  if (closed_by_ == Party::nobody) close_code_ = code;
  if (extras_ != nullptr && extras_->log() != nullptr) {
    extras_->log()->sent[index_of(source)] = code;
    if (leg(other(source)).is_open()) extras_->log()->passed[index_of(other(source))] = code;
  }
  own_codes_[index_of(other(source))] = 0;  // it came before a Close of ours that waited
  record_end(who_is(source), {EndKind::peer_close, "close"});
  extends_while_moving_ = true;
  begin_closing();
}

// The source sends nothing more: FIN, or lost altogether.
void Session::on_left(Side source, Departure departure) {
  const bool failed = departure == Departure::failed;
  EndCause cause{EndKind::no_close, "connection ended without a close"};
  if (failed) {
    const char* const told = leg(source).failure();
    cause = {EndKind::connection_lost, *told != '\0' ? told : "connection lost"};
  }
  record_end(who_is(source), cause);
  if (source == Side::upstream && std::string_view(cause.text) == TlsTransport::silence) {
    log_upstream(cause.text, silence_text(source));
  }
  if (!from(source).over()) {
    extends_while_moving_ = false;
    // Inside a frame: neither peer may take this for an orderly end.
    if (!pass_loss_on(other(source))) {
      return close({EndKind::connection_lost, "aborted"}, End::abort);
    }
  }
  if (failed) close_leg(source, End::orderly);
  begin_closing();
  // The other peer's bytes may be waiting with their edge consumed: one pump reads and drops them.
  if (failed) pump(other(source));
}

// Nothing can be sent to the target; what it sent before is still read, and that read tells the
// end.
void Session::on_unwritable(Side target) {
  Leg& lost = leg(target);
  own_codes_[index_of(target)] = 0;  // it would have been the last to leave
  lost.read_to_the_end();
  pump(target);
  const bool all_heard = !lost.readable && from(target).delivered();
  if (state_ != State::closed && lost.is_open() && !lost.input_ended && all_heard) {
    lost.end_input();
    on_left(target, Departure::failed);
  }
}

void Session::begin_closing() {
  if (state_ != State::relaying) return;
  state_ = State::closing;
  moved_before_ = moved_bytes();
  arm_timer(route_->close_timeout_ms);
  if (extras_ != nullptr) enqueue();  // what a rate held back may travel now
}

void Session::settle_closing() {
  settle_leg(Side::client);
  settle_leg(Side::upstream);
  if (!leg(Side::client).is_open() && !leg(Side::upstream).is_open())
    close({EndKind::no_close, "closed"});
}

// Ends a leg as far as it has got: our FIN once everything for it is sent and nothing more is
// expected of it, close() once its FIN was read, too, so that no RST overtakes a Close in flight.
// Where a loss is passed on, the FIN is the message, whatever the leg still sends.
void Session::settle_leg(Side side) {
  Leg& ending = leg(side);
  if (!ending.is_open()) return;
  const Direction& to = toward(side);
  const Direction& said = from(side);
  const bool all_sent = to.over() && to.delivered();
  if (ending.input_ended && (all_sent || ending.output_ended)) return close_leg(side, End::orderly);
  const bool all_heard = said.over() || to.mode() == Direction::Mode::ended;
  if (!all_sent || !all_heard) return;
  // After an orderly exchange of Closes the server closes first (RFC 6455 section 7.1.1): toward
  // upstreams we are the client and wait, which also leaves TIME_WAIT to them.
  const bool server_closes =
      side == Side::upstream && said.peer_close_code() != 0 && to.mode() != Direction::Mode::ended;
  if (!server_closes) ending.shutdown_write();
}

// A decision of ours: both peers are told the same, as far as they were not told another end.
void Session::end_on_both(CloseCode code, EndCause cause, std::string_view reason) {
  record_end(Party::proxy, cause);
  send_close(Side::client, code, MidFrame::await_end, reason);
  send_close(Side::upstream, code, MidFrame::await_end, reason);
  begin_closing();
  on_run();
}

// The same at leisure: the client's own Close, with which the upstream is left, comes behind
// everything that it sent.
void Session::take_leave(CloseCode code, EndCause cause, std::string_view reason) {
  record_end(Party::proxy, cause);
  if (!send_close(Side::client, code, MidFrame::await_message, reason)) {
    send_close(Side::upstream, code, MidFrame::await_end, reason);
  }
  begin_closing();
  on_run();
  const Direction& to = toward(Side::client);
  extends_while_moving_ = state_ == State::closing && !(to.over() && to.delivered());
}

// Closes that wait look at it until the session is over. Of two reasons the first one stays.
std::string_view Session::keep_reason(std::string_view reason) {
  if (reason.empty()) return reason;
  context_.close_reasons.keep(id_, reason);
  has_close_reason_ = true;
  return close_reason();
}

std::string_view Session::close_reason() const {
  return has_close_reason_ ? context_.close_reasons.of(id_) : std::string_view();
}

// We have taken leave of the client, and the upstream knows nothing of it yet.
bool Session::awaits_clients_close() const {
  return own_codes_[index_of(Side::client)] != 0 && legs_[index_of(Side::upstream)].is_open() &&
         toward(Side::upstream).mode() == Direction::Mode::flowing && closed_by_ == Party::proxy &&
         fault_ == Party::nobody;
}

// The client has not answered our Close, or did not even take it; the upstream is to hear of it.
void Session::on_silent_client() {
  const auto code = static_cast<CloseCode>(own_codes_[index_of(Side::client)]);
  const Direction& to = toward(Side::client);
  const bool whole = to.delivered() && to.over();
  send_close(Side::upstream, code, MidFrame::give_up, close_reason());
  close_leg(Side::client, whole ? End::orderly : End::abort);
  arm_timer(route_->close_timeout_ms);
  on_run();
}

// The wait is over. A peer whose answer to a Close is behind a long message has it extended while
// that message moves, up to a bound, and so has a session half-closed, after a loss without one.
// A peer that did not get everything is aborted, never ended as if it had.
void Session::on_close_timer() {
  const bool leaving = awaits_clients_close();
  if (leaving && !extends_while_moving_) return on_silent_client();
  if (leaving && toward(Side::client).over() && toward(Side::client).delivered()) {
    extends_while_moving_ = false;  // it got the Close since the last look, and has its time
    return arm_timer(route_->close_timeout_ms);
  }
  const bool half = half_closed();
  if (extends_while_moving_ || !half) ++close_waits_;
  if (((extends_while_moving_ && has_unfinished()) || half) && close_waits_ < most_close_waits) {
    const uint32_t moved = moved_bytes();
    if (moved != moved_before_) {
      moved_before_ = moved;
      return arm_timer(route_->close_timeout_ms);
    }
  }
  if (leaving) return on_silent_client();
  end_now({EndKind::close_timeout, "close_timeout"});
}

void Session::end_now(EndCause cause) {
  if (state_ == State::closing) {
    for (const Side side : {Side::client, Side::upstream}) {
      const Direction& to = toward(side);
      const bool whole = to.delivered() && (to.over() || to.at_boundary());
      close_leg(side, whole ? End::orderly : End::abort);
    }
  }
  close(cause, state_ == State::relaying ? End::abort : End::orderly);
}

}  // namespace sluice
