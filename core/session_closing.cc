// How a session ends once it relays: faults, Close frames, peers that leave, and timeouts
// (core/DESIGN.md section 7, leaving a leg).
#include "core/session.h"

namespace sluice {

namespace {

ClosedBy who_is(Side side) {
  return side == Side::client ? ClosedBy::client : ClosedBy::upstream;
}

// What the other side is told when this one is lost or at fault.
CloseCode code_for_loss_of(Side side) {
  return side == Side::client ? CloseCode::going_away : CloseCode::internal_error;
}

}  // namespace

// The first end counts; what follows is its consequence.
void Session::record_end(ClosedBy who, uint16_t code, const char* reason) {
  if (closed_by_ != ClosedBy::nobody) return;
  closed_by_ = who;
  close_code_ = code;
  reason_ = reason;
}

// A Close toward `target` at a frame boundary, or, where there cannot be one any more, an abort.
// Returns false after an abort.
bool Session::send_close(Side target, CloseCode code, bool source_goes_on) {
  if (!leg(target).open()) return true;
  const Side source = other(target);
  const FrameRules rules = rules_for(source);
  if (toward(target).close_with(path(source, rules), code, source_goes_on)) return true;
  close_leg(target, true);
  return false;
}

// Bytes that have gone out in either direction, modulo 2^32, to see whether anything moves.
uint32_t Session::moved_bytes() const {
  uint64_t sum = 0;
  for (const Direction& direction : directions_) sum += direction.bytes() - direction.queued();
  return static_cast<uint32_t>(sum);
}

// True while a message is on its way, or what was received waits to be sent.
bool Session::has_unfinished() const {
  for (const Direction& direction : directions_) {
    const bool inside = direction.mode() != Direction::Mode::draining && !direction.at_boundary();
    if (inside || !direction.delivered()) return true;
  }
  return false;
}

void Session::on_fault(Side source) {
  const Direction& faulty = directions_[index_of(source)];
  const CloseCode code = faulty.fault_code();
  record_end(who_is(source), static_cast<uint16_t>(code), faulty.fault_reason());
  send_close(other(source), code_for_loss_of(source), false);
  send_close(source, code, true);
  patient_ = false;
  begin_closing();
  pump(other(source));
}

// The Close is queued for the other peer, which answers it; until then its data travels on.
void Session::on_peer_close(Side source) {
  record_end(who_is(source), directions_[index_of(source)].peer_close_code(), "close");
  if (state_ == State::closing) return;
  patient_ = true;
  moved_before_ = moved_bytes();
  begin_closing();
}

// The source sends nothing more: FIN, or lost altogether. If no Close came before, the other peer
// gets one in its name.
void Session::on_left(Side source, bool failed) {
  Direction& from = directions_[index_of(source)];
  const char* reason = failed ? "connection lost" : "connection ended without a close";
  if (failed && *leg(source).failure() != '\0') reason = leg(source).failure();
  record_end(who_is(source), static_cast<uint16_t>(CloseCode::abnormal), reason);
  if (from.mode() != Direction::Mode::draining) {
    patient_ = false;
    // Inside a frame: neither peer may take this for an orderly end.
    if (!send_close(other(source), code_for_loss_of(source), false)) return close("aborted", true);
  }
  if (failed) close_leg(source, false);
  begin_closing();
  // What waited for room on the lost leg has had its edge: it is read and dropped from here on.
  if (failed) pump(other(source));
}

// Nothing can be sent to the target; what it sent before is still read, and that read tells the
// end.
void Session::on_unwritable(Side target) {
  Leg& lost = leg(target);
  lost.output_ended = true;
  lost.readable = true;
  pump(target);
  const bool all_heard = !lost.readable && directions_[index_of(target)].delivered();
  if (state_ != State::closed && lost.open() && !lost.input_ended && all_heard) {
    lost.input_ended = true;
    on_left(target, true);
  }
}

void Session::begin_closing() {
  if (state_ != State::relaying) return;
  state_ = State::closing;
  arm_timer(route_->close_timeout_ms);
}

void Session::settle_closing() {
  settle_leg(Side::client);
  settle_leg(Side::upstream);
  if (!leg(Side::client).open() && !leg(Side::upstream).open()) close("closed");
}

// Ends a leg as far as it has got: our FIN once everything for it is sent and nothing more is
// expected of it, close() once its FIN was read, too, so that no RST overtakes a Close in flight.
void Session::settle_leg(Side side) {
  Leg& ending = leg(side);
  if (!ending.open()) return;
  const Direction& to = toward(side);
  const Direction& from = directions_[index_of(side)];
  const bool all_sent = to.mode() == Direction::Mode::draining && to.delivered();
  const bool all_heard = from.mode() == Direction::Mode::draining;
  if (ending.input_ended && (all_sent || ending.output_ended)) return close_leg(side, false);
  if (!all_sent || !all_heard) return;
  // After an orderly exchange of Closes the server closes first (RFC 6455 section 7.1.1): toward
  // upstreams we are the client and wait, which also leaves TIME_WAIT to them.
  const bool server_closes = side == Side::upstream && from.peer_close_code() != 0;
  if (!server_closes) ending.shutdown_write();
}

void Session::on_idle_timer() {
  const uint32_t limit_ms = route_->idle_timeout_ms;
  const uint32_t silent_ms = static_cast<uint32_t>(now_ms()) - last_activity_ms_;
  if (silent_ms < limit_ms) return arm_timer(limit_ms - silent_ms);
  record_end(ClosedBy::proxy, static_cast<uint16_t>(CloseCode::going_away), "idle_timeout");
  send_close(Side::client, CloseCode::going_away, true);
  send_close(Side::upstream, CloseCode::going_away, true);
  begin_closing();
  on_run();
}

// The wait is over. A peer whose answer to a Close is behind a long message has it extended while
// that message moves. Whoever did not get everything is aborted, never ended as if it had.
void Session::on_close_timer() {
  if (patient_ && has_unfinished()) {
    const uint32_t moved = moved_bytes();
    if (moved != moved_before_) {
      moved_before_ = moved;
      return arm_timer(route_->close_timeout_ms);
    }
  }
  end_now("close_timeout");
}

void Session::end_now(const char* reason) {
  if (state_ == State::closing) {
    for (const Side side : {Side::client, Side::upstream}) {
      const Direction& to = toward(side);
      const bool whole =
          to.delivered() && (to.mode() == Direction::Mode::draining || to.at_boundary());
      close_leg(side, !whole);
    }
  }
  close(reason, state_ == State::relaying);
}

}  // namespace sluice
