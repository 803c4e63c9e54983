// The time that a pong may take counts from whatever last excused its absence.
#include "core/session/own_ping.h"

#include <algorithm>
#include <utility>

namespace sluice {

namespace {

// On a number that wraps.
bool later(uint32_t a, uint32_t b) {
  return static_cast<int32_t>(a - b) > 0;
}

constexpr uint8_t most_unanswered = 255;

}  // namespace

uint32_t OwnPing::due_in_ms(uint32_t now_ms, const PingTimes& times) const {
  uint32_t since_ms = heard_ms_;
  if (awaited_) since_ms = later(unread_ms_, sent_ms_) ? unread_ms_ : sent_ms_;
  const uint32_t due_ms = since_ms + (awaited_ ? times.timeout_ms : times.interval_ms);
  return later(due_ms, now_ms) ? due_ms - now_ms : 0;
}

void OwnPing::sent(uint32_t now_ms, uint32_t stamp_us, uint32_t delivered) {
  sent_ms_ = unread_ms_ = now_ms;
  stamp_us_ = stamp_us;
  delivered_bytes_ = delivered;
  awaited_ = true;
  if (unanswered_ < most_unanswered) ++unanswered_;
}

// The ping itself is no frame of these: it makes the number less until it has arrived, too.
void OwnPing::delivered(uint32_t bytes, uint32_t now_ms) {
  if (!later(bytes, delivered_bytes_)) return;
  unread_ms_ = now_ms;
  delivered_bytes_ = bytes;
}

bool OwnPing::answered(uint32_t stamp_us, uint32_t now_us) {
  if (unanswered_ == 0) return false;
  --unanswered_;
  answered_ = true;
  if (stamp_us == stamp_us_) {
    // Who answers the latest ping need not answer those before it (RFC 6455 section 5.5.3).
    unanswered_ = 0;
    round_trip_us_ = std::max(now_us - stamp_us, 1u);
    measured_ = true;
  }
  return true;
}

std::optional<uint32_t> OwnPing::take_answer() {
  const uint32_t measured_us = std::exchange(measured_, false) ? round_trip_us_ : 0;
  if (!std::exchange(answered_, false)) return std::nullopt;
  return measured_us;
}

}  // namespace sluice
