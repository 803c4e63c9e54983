// Record: what time may do to a session, and what it must: pings of the proxy's own, age, rates.
#include <algorithm>

#include "tests/sim/kernel.h"
#include "tests/sim/record.h"
#include "tests/sim/token_plan.h"
#include "tests/sim/world.h"

namespace sluice::sim {

namespace {

constexpr uint64_t slack_ns = 6 * ms;
// The worker looks at stalled sessions four times a second.
constexpr uint64_t stall_look_ns = 250 * ms;
// A ping that found a message under way is tried again so soon.
constexpr uint64_t again_ns = second;
constexpr uint64_t early_bytes = 4'096;
// A drain's slices, and its looks once its window is over.
constexpr uint64_t late_look_ns = second + 200 * ms;

uint64_t most_at_once(uint64_t a_second, uint64_t burst) {
  return std::max({burst, a_second / 50, uint64_t{1}});
}

}  // namespace

// Whom a Close of the proxy's goes to may be told what nobody else caused: silence, or the age.
void Record::recognize(int target) {
  const Lane& lane = lanes_[1 - target];
  const auto note = [&](Incident::Kind kind, uint16_t code) {
    note_incident(kind, 0, code);
    incidents_.back().act = lane.own_close_act();
  };
  const bool leaves = may_leave(lane.own_code()) && told() == nullptr && climate_.leaving_ns == 0 &&
                      find(Incident::Kind::idle, 0) == nullptr;
  const bool upstream_gone =
      find(Incident::Kind::ended, 1) != nullptr || find(Incident::Kind::lost, 1) != nullptr;
  if (leaves && target == 0) {
    // Who breaks the protocol meanwhile gets it behind the frame.
    const bool at_fault = find(Incident::Kind::bad, 0) != nullptr;
    if (!upstream_gone && !at_fault && !lane.own_close_between_messages()) {
      fail("told to leave inside a message");
    }
    return note(Incident::Kind::told, lane.own_code());
  }
  // The client's own may wait for room while it goes; to be told of that is the upstream's due.
  const bool client_goes = closing() || legs_[0].farewell != Farewell::none;
  if (leaves && client_goes && find(Incident::Kind::closed, 0) == nullptr && !upstream_gone) {
    return note(Incident::Kind::told, lane.own_code());
  }
  if (incidents_.empty() && lane.own_code() == route_.jwt_close_code && token_may_have_expired()) {
    return note(Incident::Kind::idle, lane.own_code());
  }
  const uint64_t silent_ms = world().now_ms() - relayed_ms_;
  if (incidents_.empty() && paced() && lane.own_code() == route_.idle_code &&
      silent_ms + slack_ns / ms >= route_.idle_timeout_ms) {
    note(Incident::Kind::idle, 0);
  }
}

// Whether a token that is looked at then may be taken for one that expires at another time.
bool Record::token_may_differ(uint64_t when_ns) const {
  const uint64_t planned_ms = world().begin_ns() / ms + plan_.start_ns / ms;
  return wall_clock_setting(planned_ms) != wall_clock_setting(when_ns / ms);
}

bool Record::token_may_have_expired() const {
  if (plan_.token_ends_ms == 0) return false;
  return token_may_differ(relaying_ns_) || world().now_ns() + slack_ns >= plan_.token_ends_ms * ms;
}

// The session of a client whose token was looked at as planned ends with it.
void Record::check_token() const {
  if (plan_.token_ends_ms == 0 || token_may_differ(relaying_ns_)) return;
  const uint64_t due_ns = std::max(plan_.token_ends_ms * ms, relaying_ns_);
  const Lane& lane = lanes_[1];
  const Connection& client = *legs_[0].connection;
  const bool due = world().now_ns() > due_ns + slack_ns;
  const bool waits = lane.own_close() || lane.undelivered() > 0 || lane.judge.in_frame() ||
                     lane.ping_begun() || !client.writable() || client.untaken > 0;
  if (due && !waits && incidents_.empty() && live()) fail("outlives its token");
}

// Whether its age may have ended it by now.
bool Record::may_be_old() const {
  const uint64_t age_ns = route_.max_session_age_ms * ms;
  const uint64_t least_ns = age_ns - age_ns * route_.session_age_jitter / 100;
  return age_ns > 0 && world().now_ns() + slack_ns >= begun_ns() + least_ns;
}

// Whether it may be told to leave by now, with that code.
bool Record::may_leave(uint16_t code) const {
  const bool drained = climate_.drain_ns != 0 && code == climate_.drain_code;
  const bool by_command = commanded() && code == command_.code;
  return drained || by_command || (may_be_old() && code == 1001);
}

void Record::note_pings(int side, uint64_t before) {
  if (own_pings_[side].count == before) return;
  Leg& leg = legs_[side];
  leg.ping_ns = leg.excused_ns = world().now_ns();
  const uint64_t heard_ns = std::max(leg.heard_ns, relaying_ns_);
  const bool first = heard_ns == relaying_ns_ && before == 0;  // it comes at a part of the interval
  const bool queued = leg.excused_at_turns_end_ns >= leg.heard_ns;  // it may have waited
  const uint64_t interval_ns = ping_interval_ms(side) * ms;
  const uint64_t least_ns = interval_ns - interval_ns / 10;  // each session's own is that at least
  if (!first && !queued && world().now_ns() + slack_ns < heard_ns + least_ns) {
    fail("a ping before its interval is over");
  }
  if (!incidents_.empty() && !limited()) fail("a ping after the end began");
}

// At the end of a turn.
void Record::check_pings(int side) {
  if (!pings(side)) return;
  Leg& leg = legs_[side];
  const uint64_t now_ns = world().now_ns();
  const Lane& own = lanes_[side];
  const Lane& toward = lanes_[1 - side];
  const bool unread = own.undelivered() > 0 || leg.connection->unread_by_proxy();
  const bool slow = !leg.connection->writable() || toward.undelivered() > 0;
  if (unread || slow || limited(side)) leg.excused_ns = leg.excused_at_turns_end_ns = now_ns;
  if (unread) leg.unread_ns = now_ns;
  leg.excused_ns = std::max(leg.excused_ns, leg.connection->delivered_ns);
  if (!incidents_.empty() || !live() || leg.input_ended) return;
  const uint64_t alive_ns = std::max({leg.heard_ns, leg.excused_ns, relaying_ns_});
  const bool awaited = leg.ping_ns > leg.heard_ns;
  const uint64_t most_ms = awaited ? ping_timeout_ms(side) : ping_interval_ms(side);
  const bool due = now_ns > alive_ns + most_ms * ms + again_ns + slack_ns;
  const bool within = toward.judge.in_message() || toward.judge.in_frame() ||
                      toward.in().size() > toward.judge.accepted();
  if (!due || within || toward.ping_begun()) return;
  fail(awaited ? "a peer that answers no ping is not found out" : "a silent peer is not pinged");
}

// A ping that nothing answers, or bytes that wait for too long.
bool Record::aborts_rightly(int side) const {
  const Leg& leg = legs_[side];
  const uint64_t now_ns = world().now_ns() + slack_ns;
  if (pings(side) && own_pings_[side].count > 0 && leg.heard_ns <= leg.ping_ns &&
      now_ns >= std::max(leg.ping_ns, leg.unread_ns) + ping_timeout_ms(side) * ms) {
    return true;
  }
  return route_.max_queued_time_ms > 0 && leg.queued_ns != 0 &&
         now_ns >= leg.queued_ns + route_.max_queued_time_ms * ms;
}

// It takes leave of its client in time, behind the message that is under way.
void Record::check_leaving() const {
  uint64_t due_ns = UINT64_MAX;
  if (route_.max_session_age_ms != 0) {
    due_ns = begun_ns() + route_.max_session_age_ms * ms;
  }
  if (climate_.drain_ns != 0) {
    due_ns = std::min(due_ns, climate_.drain_ns + climate_.drain_window_ns + late_look_ns);
  }
  if (commanded()) due_ns = std::min(due_ns, command_.when_ns);
  if (due_ns == UINT64_MAX || !incidents_.empty() || !live()) return;
  const uint64_t late_ns = climate_.drain_ns != 0 ? late_look_ns : 0;  // who came behind its window
  const Lane& lane = lanes_[1];
  const bool due = world().now_ns() > std::max(due_ns, relaying_ns_ + late_ns) + slack_ns;
  const Connection& client = *legs_[0].connection;
  if (!due || lane.own_close() || lane.undelivered() > 0 || lane.judge.in_message() ||
      lane.judge.in_frame() || lane.ping_begun() || !client.writable() || client.untaken > 0) {
    return;
  }
  fail("it should have been told to leave");
}

// --- rates
// ----------------------------------------------------------------------------------------

bool Record::limited(int side) const {
  const RateLimit& messages = side == 0 ? route_.client_message_rate : route_.upstream_message_rate;
  const ByteRate& bytes = side == 0 ? route_.client_byte_rate : route_.upstream_byte_rate;
  return messages.a_second != 0 || bytes.a_second != 0;
}

bool Record::limited() const {
  return limited(0) || limited(1);
}

// No more goes out than the rates of that source allow, counted from the beginning.
void Record::check_rates(int side) {
  if (!limited(side) || closing() || may_be_old() || climate_.drain_ns != 0) return;
  if (commanded()) return;
  const uint64_t passed_ms = world().now_ms() + 5 - relaying_ns_ / ms;
  const RateLimit& messages = side == 0 ? route_.client_message_rate : route_.upstream_message_rate;
  const ByteRate& bytes = side == 0 ? route_.client_byte_rate : route_.upstream_byte_rate;
  if (messages.a_second != 0) {
    const uint64_t most =
        most_at_once(messages.a_second, messages.burst) + passed_ms * messages.a_second / 1'000 + 1;
    if (lanes_[side].messages_out() > most) over_rate_ = "more messages than their rate allows";
  }
  if (bytes.a_second != 0) {
    const uint64_t at_once = most_at_once(bytes.a_second, bytes.burst);
    const uint64_t splices = climate_.pipe_bytes > 0 ? 2 : 1;  // in one pump
    const uint64_t most = splices * at_once + passed_ms * bytes.a_second / 1'000 + early_bytes;
    if (lanes_[side].out().size() > most) over_rate_ = "more bytes than their rate allows";
  }
}

// When the clock has moved: what a rate held back has gone on once it allowed.
void Record::check_held() {
  for (const int side : {0, 1}) {
    Leg& target = legs_[1 - side];
    const RateLimit& messages =
        side == 0 ? route_.client_message_rate : route_.upstream_message_rate;
    const ByteRate& bytes = side == 0 ? route_.client_byte_rate : route_.upstream_byte_rate;
    uint64_t wait_ms = 40;
    if (messages.a_second != 0) wait_ms += 1'000 / messages.a_second;
    if (bytes.a_second != 0) wait_ms += 1'000 / bytes.a_second;
    // What was taken at once beyond the burst is owed.
    if (bytes.a_second != 0) wait_ms += 1'000 * (early_bytes + bytes.burst) / bytes.a_second;
    const bool waits = lanes_[side].undelivered() > 0 && target.connection->fd >= 0 &&
                       target.connection->writable();
    if (!waits) {
      target.queued_held_ns = 0;
    } else if (target.queued_held_ns == 0 || target.sent_ns > target.queued_held_ns) {
      target.queued_held_ns = world().now_ns();
    } else if (world().now_ns() > target.queued_held_ns + wait_ms * ms + stall_look_ns) {
      fail("held back beyond its rate");
    }
  }
}

}  // namespace sluice::sim
