// OwnPing: whether one peer of a session still answers, by pings of the proxy's own (RFC 6455
// section 5.5.2). It knows no descriptor and no clock.
#pragma once

#include <cstdint>
#include <optional>

namespace sluice {

// Of one side, as its route says.
struct PingTimes {
  uint32_t interval_ms = 0;  // of silence, before a ping; 0: none is sent
  uint32_t timeout_ms = 0;   // that the pong may take
};

// Of one session, whose `chance` is always the same: its interval is up to a tenth shorter, so that
// sessions whose peers speak in step are not all pinged together.
inline PingTimes own_times(PingTimes times, uint64_t chance) {
  times.interval_ms -= static_cast<uint32_t>(chance % (times.interval_ms / 10 + 1));
  return times;
}

// Times are the low 32 bits of a clock in milliseconds; of them only differences below 24 days
// count.
class OwnPing {
 public:
  // From here on it is asked. `first_ms`, from 1 to the interval, is when the first ping is due.
  void begin(uint32_t now_ms, uint32_t first_ms, const PingTimes& times) {
    heard_ms_ = now_ms - (times.interval_ms - first_ms);
  }

  // Something came from the peer: it lives.
  void heard(uint32_t now_ms) {
    heard_ms_ = now_ms;
    awaited_ = false;
  }
  // The proxy does not read that peer just now, so its pong may well be there.
  void unread(uint32_t now_ms) { unread_ms_ = now_ms; }

  // In how many milliseconds something is to be done; 0: now.
  uint32_t due_in_ms(uint32_t now_ms, const PingTimes& times) const;
  // What that is, where it is due: a ping, or the peer is lost.
  bool awaited() const { return awaited_; }

  // A ping goes out. `stamp_us` is its stamp.
  // `delivered`: as delivered() takes it, before the ping.
  void sent(uint32_t now_ms, uint32_t stamp_us, uint32_t delivered);
  // So many bytes of frames have reached the peer since the session began, modulo 2^32. Its pong
  // comes behind what was sent before the ping, and who takes some of that lives.
  void delivered(uint32_t bytes, uint32_t now_ms);
  // Whether a pong with that stamp answers a ping that none has answered yet. Measures the round
  // trip of the latest one.
  bool answered(uint32_t stamp_us, uint32_t now_us);
  bool expects_pongs() const { return unanswered_ > 0; }

  // Of the latest ping that was answered, in microseconds; 0: none was.
  uint32_t round_trip_us() const { return round_trip_us_; }
  // Whether a pong of ours came since this was last asked, and the round trip that it measured: 0
  // where it answered another ping than the latest.
  std::optional<uint32_t> take_answer();

 private:
  uint32_t heard_ms_ = 0;
  uint32_t sent_ms_ = 0;
  uint32_t unread_ms_ = 0;
  uint32_t stamp_us_ = 0;
  uint32_t round_trip_us_ = 0;
  uint32_t delivered_bytes_ = 0;  // when that was last looked at
  uint8_t unanswered_ = 0;        // pings whose pongs may still come
  bool awaited_ = false;          // the latest ping is all that went between us since it was sent
  bool answered_ = false;         // since take_answer()
  bool measured_ = false;         // and that was the latest ping's
};

}  // namespace sluice
