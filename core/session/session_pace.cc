// What time does to a session that relays: silence, age, pings of the proxy's own, rates, and peers
// that take too slowly what is for them.
#include <algorithm>
#include <cstring>
#include <string>

#include "core/session/exchange.h"
#include "core/session/session.h"
#include "core/session/session_extras.h"
#include "net/sys.h"

namespace sluice {

namespace {

constexpr uint64_t never_ms = UINT64_MAX;
// What is due is kept on a clock of 32 bits where rates may hasten it: a day is well within.
constexpr uint64_t most_wait_ms = 86'400'000;
// A ping that is due while a message is on its way to that peer is tried again so soon.
constexpr uint32_t most_ping_delay_ms = 1'000;

// A number that looks like chance and is always the same for `number` (splitmix64's finalizer).
uint64_t scattered(uint64_t number) {
  number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9;
  number = (number ^ (number >> 27)) * 0x94d049bb133111eb;
  return number ^ (number >> 31);
}

BucketLimit limit_of(const RateLimit& rate) {
  return {rate.a_second, rate.burst};
}
BucketLimit limit_of(const ByteRate& rate) {
  return {rate.a_second, rate.burst};
}

bool limits_anything(const RouteSettings& route) {
  return route.client_message_rate.a_second != 0 || route.upstream_message_rate.a_second != 0 ||
         route.client_byte_rate.a_second != 0 || route.upstream_byte_rate.a_second != 0;
}

}  // namespace

// --- what is due when
// -----------------------------------------------------------------------------

void Session::begin_timing(uint64_t token_ends_ms) {
  if (token_ends_ms > 0) {
    if (extras_ == nullptr) extras_ = new SessionExtras;
    extras_->room().token_ends_ms = token_ends_ms;
  }
  const bool limited = limits_anything(*route_);
  if (limited || route_->client_ping_interval_ms > 0 || route_->upstream_ping_interval_ms > 0) {
    if (extras_ == nullptr) extras_ = new SessionExtras;
    if (limited) extras_->room().rates = std::make_unique<SessionRates>();
    for (const Side side : {Side::client, Side::upstream}) {
      const PingTimes times = ping_times(side);
      if (times.interval_ms == 0) continue;
      // Sessions that began together shall not be pinged together.
      const auto first_ms =
          static_cast<uint32_t>(1 + (ping_chance(side) >> 32) % times.interval_ms);
      extras_->pings[index_of(side)].begin(static_cast<uint32_t>(now_ms()), first_ms, times);
    }
  }
  timer_.cancel(context_.reactor);
  arm_relaying_timer();
}

void Session::arm_relaying_timer() {
  uint64_t wait_ms = relaying_wait_ms();
  if (extras_ != nullptr) {
    wait_ms = std::min(wait_ms, most_wait_ms);
    extras_->timer_due_ms = static_cast<uint32_t>(now_ms() + wait_ms);
  }
  if (wait_ms != never_ms) arm_timer(wait_ms);
}

// What is due in so long is due before what the timer is armed for.
void Session::hasten_timer(uint32_t wait_ms) {
  const auto due_ms = static_cast<uint32_t>(now_ms()) + wait_ms;
  if (static_cast<int32_t>(extras_->timer_due_ms - due_ms) <= 0) return;
  extras_->timer_due_ms = due_ms;
  arm_timer(wait_ms);
}

uint64_t Session::relaying_wait_ms() const {
  const auto now = static_cast<uint32_t>(now_ms());
  uint64_t wait_ms = std::min(age_left_ms(), token_left_ms());
  if (const uint32_t limit_ms = route_->idle_timeout_ms; limit_ms > 0) {
    wait_ms = std::min<uint64_t>(wait_ms, limit_ms - std::min(limit_ms, now - last_activity_ms_));
  }
  if (extras_ == nullptr) return wait_ms;
  for (const Side side : {Side::client, Side::upstream}) {
    wait_ms = std::min<uint64_t>(wait_ms, rate_wait_ms(side));
    const PingTimes times = ping_times(side);
    if (times.interval_ms == 0) continue;
    const uint32_t due_in_ms = extras_->pings[index_of(side)].due_in_ms(now, times);
    const uint32_t again_ms = due_in_ms > 0 ? due_in_ms : most_ping_delay_ms;
    // Once the pong is there the next ping may be due before that.
    wait_ms = std::min<uint64_t>({wait_ms, again_ms, times.interval_ms});
  }
  return wait_ms;
}

// An edge is activity, unless it may be that of a pong of ours.
void Session::note_ready(Side side, Readiness ready) {
  const auto now = static_cast<uint32_t>(now_ms());
  if (extras_ == nullptr) {
    last_activity_ms_ = now;
  } else if (ready.readable) {
    extras_->pings[index_of(side)].heard(now);
  }
}

// Then frames are, which a rate may let through without an edge. `before`: moved_if_paced().
void Session::note_moved(uint32_t before) {
  if (extras_ == nullptr || state_ != State::relaying || moved_bytes() == before) return;
  last_activity_ms_ = static_cast<uint32_t>(now_ms());
}

uint64_t Session::age_left_ms() const {
  const uint64_t most_ms = route_->max_session_age_ms;
  if (most_ms == 0) return never_ms;
  const uint64_t earlier_ms = most_ms * route_->session_age_jitter / 100;
  const uint64_t due_ms = opened_ms_ + most_ms - scattered(id_ + opened_ms_) % (earlier_ms + 1);
  return due_ms - std::min(due_ms, now_ms());
}

uint64_t Session::token_left_ms() const {
  const uint64_t ends_ms = extras_ != nullptr ? extras_->token_ends_ms() : 0;
  return ends_ms == 0 ? never_ms : ends_ms - std::min(ends_ms, now_ms());
}

void Session::on_relaying_timer() {
  const uint32_t silent_ms = static_cast<uint32_t>(now_ms()) - last_activity_ms_;
  if (route_->idle_timeout_ms > 0 && silent_ms >= route_->idle_timeout_ms) {
    return end_on_both(static_cast<CloseCode>(route_->idle_code),
                       {EndKind::idle_timeout, "idle_timeout"});
  }
  if (token_left_ms() == 0) {
    return end_on_both(static_cast<CloseCode>(route_->jwt_close_code),
                       {EndKind::token_expired, "token has expired"});
  }
  if (age_left_ms() == 0) {
    return take_leave(CloseCode::going_away, {EndKind::session_age, "max_session_age"});
  }
  if (extras_ != nullptr) {
    if (extras_->rates() != nullptr) run();
    for (const Side side : {Side::client, Side::upstream}) {
      if (state_ == State::relaying) look_at_ping(side);
    }
  }
  if (state_ == State::relaying) arm_relaying_timer();
}

// --- pings
// ----------------------------------------------------------------------------------------

PingTimes Session::ping_times(Side side) const {
  PingTimes times{route_->client_ping_interval_ms, route_->client_ping_timeout_ms};
  if (side == Side::upstream) {
    times = {route_->upstream_ping_interval_ms, route_->upstream_ping_timeout_ms};
  }
  return times.interval_ms == 0 ? times : own_times(times, ping_chance(side));
}

// When that side is pinged, as far as the route leaves it open.
uint64_t Session::ping_chance(Side side) const {
  return scattered(context_.secret_for_pings() + 2 * id_ + index_of(side));
}

// Nobody can guess it who has not seen it. Never 0.
uint32_t Session::ping_tag(Side side) const {
  const uint64_t mixed =
      scattered(context_.secret_for_pings() ^ scattered(2 * id_ + index_of(side)));
  return static_cast<uint32_t>(mixed >> 32) | 1;
}

void Session::look_at_ping(Side side) {
  OwnPing& ping = extras_->pings[index_of(side)];
  const PingTimes times = ping_times(side);
  const auto now = static_cast<uint32_t>(now_ms());
  if (times.interval_ms == 0 || !leg(side).is_open()) return;
  note_unread(side);
  if (ping.due_in_ms(now, times) > 0) return;
  if (!ping.awaited()) {
    // Inside a message it would stand between two frames, and who takes that message lives.
    if (toward(side).at_rest()) send_ping(side);
    return;
  }
  ping.delivered(delivered_bytes(side), now);
  if (ping.due_in_ms(now, times) > 0) return;
  const char* const timeout =
      side == Side::client ? "client_ping_timeout" : "upstream_ping_timeout";
  give_up(side, {EndKind::ping_timeout, timeout},
          std::string("it answers no ping (") + timeout + ")");
}

// What of the frames for that side has reached it, modulo 2^32.
uint32_t Session::delivered_bytes(Side side) const {
  const Direction& to = toward(side);
  const int undelivered = legs_[index_of(side)].undelivered_bytes();
  return static_cast<uint32_t>(to.bytes() - to.queued_frames()) -
         static_cast<uint32_t>(std::max(undelivered, 0));
}

void Session::send_ping(Side side) {
  const auto stamp_us = static_cast<uint32_t>(sys::monotonic_ns() / 1'000);
  uint8_t payload[own_ping_bytes];
  write_own_ping(ping_tag(side), stamp_us, payload);
  const Side source = other(side);
  const FrameRules rules = rules_for(source);
  const uint32_t delivered = delivered_bytes(side);
  from(source).inject_ping(path(source, rules, traffic(source)), payload);
  extras_->pings[index_of(side)].sent(static_cast<uint32_t>(now_ms()), stamp_us, delivered);
  (side == Side::client ? context_.row.pings_to_client : context_.row.pings_to_upstream).add(1);
  pump(source);
}

// While what came from it waits for the other side, or for its rate, that side is not read.
void Session::note_unread(Side source) {
  if (extras_ == nullptr) return;
  const bool waits = !from(source).delivered() || from(source).holds_back();
  if (waits || bytes_allowed(source) == 0) {
    extras_->pings[index_of(source)].unread(static_cast<uint32_t>(now_ms()));
  }
}

// Counts the round trip of a pong that came for us.
void Session::note_answer(Side side) {
  const auto round_trip_us = extras_->pings[index_of(side)].take_answer();
  if (!round_trip_us || *round_trip_us == 0) return;
  WorkerRow& row = context_.row;
  (side == Side::client ? row.client_round_trips : row.upstream_round_trips).add(*round_trip_us);
}

// --- rates
// ----------------------------------------------------------------------------------------

bool Session::limits_rates() const {
  return extras_ != nullptr && extras_->rates() != nullptr && state_ == State::relaying;
}

BucketLimit Session::message_limit(Side source) const {
  return limit_of(source == Side::client ? route_->client_message_rate
                                         : route_->upstream_message_rate);
}

BucketLimit Session::byte_limit(Side source) const {
  return limit_of(source == Side::client ? route_->client_byte_rate : route_->upstream_byte_rate);
}

// FrameScanner::messages() up to which messages of that side may begin now.
uint64_t Session::messages_allowed(Side source) const {
  const BucketLimit limit = message_limit(source);
  if (!limits_rates() || limit.a_second == 0) return UINT64_MAX;
  const RateBucket& bucket = extras_->rates()->messages[index_of(source)];
  return from(source).messages() + bucket.left(limit, static_cast<uint32_t>(now_ms()));
}

uint64_t Session::bytes_allowed(Side source) const {
  const BucketLimit limit = byte_limit(source);
  if (!limits_rates() || limit.a_second == 0) return UINT64_MAX;
  const RateBucket& bucket = extras_->rates()->bytes[index_of(source)];
  const uint64_t left = bucket.left(limit, static_cast<uint32_t>(now_ms()));
  return route_->on_rate == OnRate::delay ? left : left + 1;  // one more shows that it is too much
}

// What came since `before` is taken out of the buckets.
void Session::charge(Side source, const Accepted& before) {
  if (!limits_rates()) return;
  const Accepted after = accepted(source);
  const auto now = static_cast<uint32_t>(now_ms());
  SessionRates& rates = *extras_->rates();
  if (const BucketLimit limit = message_limit(source); limit.a_second > 0) {
    rates.messages[index_of(source)].take(after.messages - before.messages, limit, now);
  }
  if (const BucketLimit limit = byte_limit(source); limit.a_second > 0) {
    rates.bytes[index_of(source)].take(after.bytes - before.bytes, limit, now);
  }
}

// A side that would send more than it may waits or, with `on_rate close`, is ended: true, then.
bool Session::act_on_rates(Side source) {
  if (!limits_rates()) return false;
  const bool over_messages = from(source).holds_back();
  if (route_->on_rate == OnRate::close) {
    if (!over_messages && !over_byte_rate(source)) return false;
    const bool client = source == Side::client;
    const char* const rate = over_messages
                                 ? client ? "client_message_rate" : "upstream_message_rate"
                             : client ? "client_byte_rate"
                                      : "upstream_byte_rate";
    end_for_fault(source, CloseCode::policy_violation, {EndKind::rate, rate});
    return true;
  }
  const uint64_t wait_ms = rate_wait_ms(source);
  if (wait_ms == never_ms) return false;
  from(source).shrink(context_.transits);
  hasten_timer(static_cast<uint32_t>(wait_ms));
  return false;
}

bool Session::over_byte_rate(Side source) const {
  const BucketLimit limit = byte_limit(source);
  if (limit.a_second == 0) return false;
  const RateBucket& bucket = extras_->rates()->bytes[index_of(source)];
  return bucket.exceeded(limit, static_cast<uint32_t>(now_ms()));
}

// How long that side waits for its rate.
uint64_t Session::rate_wait_ms(Side source) const {
  if (!limits_rates()) return never_ms;
  const auto now = static_cast<uint32_t>(now_ms());
  const SessionRates& rates = *extras_->rates();
  uint64_t wait_ms = never_ms;
  if (from(source).holds_back() &&
      from(source).delivered()) {  // else an edge of the target's wakes it
    wait_ms = rates.messages[index_of(source)].wait_ms(message_limit(source), now);
  }
  if (bytes_allowed(source) == 0) {
    const uint32_t for_bytes_ms = rates.bytes[index_of(source)].wait_ms(byte_limit(source), now);
    wait_ms = std::min<uint64_t>(wait_ms, for_bytes_ms);
  }
  return std::max<uint64_t>(wait_ms, 1);
}

uint32_t Session::idle_ms() const {
  return state_ == State::relaying ? static_cast<uint32_t>(now_ms()) - last_activity_ms_ : 0;
}

// --- slow readers
// ---------------------------------------------------------------------------------

void Session::watch_stall() {
  if (stall_watched_) return;
  stall_watched_ = true;
  context_.stalled.push_back(self());
}

bool Session::check_stalls() {
  stall_watched_ = false;
  if (state_ == State::exchanging) return stall_watched_ = exchange_->check_stall();
  if (state_ != State::relaying && state_ != State::closing) return false;
  for (const Side source : {Side::client, Side::upstream}) {
    check_stall(source);
    if (state_ == State::closed) return false;
  }
  stall_watched_ = directions_[0].stalled() || directions_[1].stalled();
  return stall_watched_;
}

void Session::check_stall(Side source) {
  Direction& direction = from(source);
  if (!direction.stalled()) return;
  const auto now = static_cast<uint32_t>(now_ms());
  direction.count_wait(traffic(source), now);
  // The kernel's buffer is larger than what a slow reader takes in send_timeout: ask it.
  const int undelivered = leg(other(source)).undelivered_bytes();
  if (undelivered >= 0) direction.note_undelivered(static_cast<uint32_t>(undelivered), now);
  if (stalled_for_ms(source) >= route_->send_timeout_ms) {
    return abort_slow(other(source), {EndKind::send_timeout, "send_timeout"});
  }
  const uint32_t most_ms = route_->max_queued_time_ms;
  if (most_ms > 0 && now - direction.queued_since_ms() >= most_ms) {
    return abort_slow(other(source), {EndKind::queued_time, "max_queued_time"});
  }
  if (now - direction.stalled_since_ms() < shrink_after_ms) return;
  direction.shrink(context_.transits);
  // Else the kernel would go on taking megabytes for a target that takes nothing.
  if (leg(source).has_descriptor())
    sys::set_receive_buffer(leg(source).fd(), stalled_receive_bytes);
}

uint32_t Session::stalled_for_ms(Side source) const {
  const Direction& direction = from(source);
  if (!direction.stalled()) return 0;
  return static_cast<uint32_t>(now_ms()) - direction.nothing_delivered_since_ms();
}

uint32_t Session::stalled_for_ms() const {
  if (state_ == State::exchanging) return exchange_->stalled_for_ms();
  return std::max(stalled_for_ms(Side::client), stalled_for_ms(Side::upstream));
}

void Session::end_slow(EndCause cause) {
  if (state_ == State::exchanging) return close(cause, End::abort);
  const bool client_sends = stalled_for_ms(Side::client) > stalled_for_ms(Side::upstream);
  abort_slow(client_sends ? Side::upstream : Side::client, cause);
}

void Session::abort_slow(Side slow, EndCause cause) {
  const size_t queued = toward(slow).queued();
  const bool at_all = cause.kind != EndKind::queued_time;
  give_up(slow, cause,
          std::string(at_all ? "it takes nothing any more" : "it takes too slowly what is for it") +
              " (" + cause.text + ", " + std::to_string(queued) + " bytes are queued)");
}

// A peer that still has its connection counts as lost. `why`: for the error log, of an upstream.
void Session::give_up(Side lost, EndCause cause, std::string_view why) {
  record_end(Party::proxy, cause, lost == Side::client ? Party::client : Party::upstream);
  if (lost == Side::upstream) {
    log_upstream(cause.text, why);
  } else if (cause.kind == EndKind::queued_time) {
    context_.log.recurring(LogLevel::info, "slow reader",
                           "session " + context_.id_text(id_) + ", client " + client_.text() +
                               ": " + std::string(why));
  }
  close_leg(lost, End::abort);
  on_left(lost, Departure::failed);
  if (state_ == State::closing) settle_closing();
  if (state_ != State::closed) enqueue();  // no edge would end the other peer's leg
}

}  // namespace sluice
