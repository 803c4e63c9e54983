// FrameScanner: the relay's in-place judge of frames (RFC 6455 section 5). It reads headers and
// control frames where they lie and steps over payload; it keeps no bytes and changes none itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "protocol/close_code.h"
#include "protocol/frame_codec.h"
#include "protocol/frame_counts.h"
#include "protocol/utf8.h"

namespace sluice {

// A fragment with less payload than that is a small one: many of them carry nothing and cost as
// much as large ones. Libraries cut at 4 KiB and more.
inline constexpr uint64_t small_fragment_bytes = 64;

// So many a second for as long as it likes, and `burst` at once after a pause.
struct RateLimit {
  static constexpr uint32_t most = 1'000'000;  // of either

  uint32_t a_second = 0;  // 0: unlimited
  uint32_t burst = 0;     // at least 1 where there is a limit
};

// The payload of a ping of our own, in network order: a tag that tells it from the peers' pings,
// and a stamp that comes back with the pong (RFC 6455 5.5.3).
inline constexpr size_t own_ping_bytes = 8;
void write_own_ping(uint32_t tag, uint32_t stamp, uint8_t out[own_ping_bytes]);

// The rules that one direction's frames must obey. One per leg and session; filled from the route
// and the handshake.
struct FrameRules {
  bool expect_masked = false;  // true for what clients send
  bool deflate = false;        // permessage-deflate was accepted: RSV1 on first frames is legal
  bool validate_utf8 = false;  // text messages that are not compressed
  uint32_t max_small_fragments = 1024;  // of one message; 0: unlimited
  RateLimit control_frames{100, 1000};  // core/DESIGN.md section 7, limits
  uint64_t max_message_bytes = 0;       // 0: unlimited
  // No message begins once FrameScanner::messages() has reached that: it is held back.
  uint64_t most_messages = UINT64_MAX;
  // A pong with a payload as write_own_ping() makes it answers us and is told as `own_pong`; 0:
  // none does.
  uint32_t own_pong_tag = 0;
  // Frames are counted there as they are accepted, but for pongs that answer us; it outlives the
  // calls. Null: nobody counts.
  FrameCounts* counts = nullptr;
};

// How many bytes the header takes that `bytes` begin with, where it is there whole and that of a
// large data frame, one whose length takes 64 bits; else 0.
size_t large_frame_header_bytes(std::span<const uint8_t> bytes);

// Between two frames, or between two messages and all of their frames.
enum class Boundary : uint8_t { frame, message };

// One direction's place in its frames. A small value that allocates nothing and keeps no bytes:
// what scan() did not accept is the caller's to keep and to offer again.
class FrameScanner {
 public:
  enum class Verdict : uint8_t {
    good,      // everything accepted, or all but an incomplete header or control frame
    held,      // all but a message beyond most_messages, and what follows it
    own_pong,  // a pong that answers us was accepted last; what follows it is to be offered again
    closed,    // a Close was accepted; what follows it is not looked at and is to be dropped
    bad,       // code() and reason() say what is wrong
  };

  struct Scan {
    size_t accepted = 0;  // bytes from the beginning that may travel on
    // After `closed`, where text is not validated: a Close whose reason does not end in whole UTF-8
    // loses that tail. The caller first sets bytes[changed_at], its length, to changed_to. 0:
    // nothing changes.
    size_t changed_at = 0;
    Verdict verdict = Verdict::good;
    uint8_t changed_to = 0;
    uint8_t pong_bytes = 0;   // after `own_pong`: the frame's size
    uint32_t pong_stamp = 0;  // and the other 4 bytes of its payload
  };

  // The part of a scanner that lasts from one message to the next.
  struct Lasting {
    uint64_t messages = 0;
    // When the bucket of control frames will be empty, in milliseconds and 65536ths of one.
    uint32_t control_due_ms = 0;
    uint16_t control_due_fraction = 0;
    bool large_frame = false;
  };

  FrameScanner() = default;
  // Goes on where one stood that was at rest.
  explicit FrameScanner(const Lasting& lasting) : lasting_(lasting) {}

  // Judges contiguous bytes that follow what was accepted before. A frame header is accepted only
  // whole, a control frame only with its whole payload: what is left over under `good` is at most
  // 13 or 130 bytes, offered again with more behind it. With `bad`, what was accepted before the
  // bad frame (or, for UTF-8, before the bad byte) may still be sent. `closed` and `bad` are final:
  // later calls accept nothing and repeat them. `now_ms` feeds the limit on control frames, in
  // which a Close does not count. How the bytes are split into calls changes nothing.
  Scan scan(std::span<const uint8_t> bytes, const FrameRules& rules, uint32_t now_ms);
  // The same up to the next boundary of that kind alone; to be called where there is none.
  Scan scan_to(Boundary boundary, std::span<const uint8_t> bytes, const FrameRules& rules,
               uint32_t now_ms);

  // Payload of the current frame still to come; unless text is validated, it is accepted unseen.
  uint64_t payload_left() const { return payload_left_; }
  // Bytes of the current frame accepted so far, header included; 0 at a frame boundary.
  uint64_t into_frame() const { return into_frame_; }
  bool at_boundary() const { return into_frame_ == 0; }
  bool at(Boundary boundary) const {
    return at_boundary() && (boundary == Boundary::frame || !in_message_);
  }
  // Between two messages, with nothing wrong and no Close: lasting() is all there is to keep.
  bool at_rest() const { return at(Boundary::message) && verdict() == Verdict::good; }
  const Lasting& lasting() const { return lasting_; }

  // After `bad`. `reason` is static text for the log; `explanation` says of a limit, by the rules
  // that were broken, what it is and what was seen.
  CloseCode code() const;
  const char* reason() const;
  std::string explanation(const FrameRules& rules) const;
  // After `closed`: the code that the peer sent, 1005 for an empty payload.
  uint16_t peer_close_code() const { return peer_close_code_; }

  // Whether the latest data frame was one whose length takes 64 bits: 64 KiB or more.
  bool large_frame() const { return lasting_.large_frame; }
  // Accepts that much of the current frame's payload unseen; never where text is validated.
  void step_over(uint64_t payload_bytes);

  // Messages that began (text and binary first frames), for the access log.
  uint64_t messages() const { return lasting_.messages; }

 private:
  enum class Wrong : uint8_t;
  struct Explanation;

  Verdict verdict() const;
  size_t take(std::span<const uint8_t> bytes, const FrameRules& rules, uint32_t now_ms, Scan& seen);
  Scan judged(Scan seen) const;
  size_t take_payload(std::span<const uint8_t> bytes, const FrameRules& rules);
  size_t take_frame(std::span<const uint8_t> bytes, const FrameRules& rules, uint32_t now_ms,
                    Scan& seen);
  size_t take_control_frame(std::span<const uint8_t> frame, const FrameRules& rules,
                            uint32_t now_ms, Scan& seen);
  size_t take_close(std::span<const uint8_t> frame, const FrameRules& rules);
  void count_payload(uint64_t bytes);
  void begin_frame(std::span<const uint8_t> header, uint64_t payload_bytes,
                   const FrameRules& rules);

  Wrong judge_first_byte(uint8_t first, const FrameRules& rules, uint32_t now_ms) const;
  Wrong judge_length(uint8_t first, size_t length_bytes, uint64_t payload_bytes,
                     const FrameRules& rules) const;
  bool control_flood(const RateLimit& limit, uint32_t now_ms) const;
  uint64_t control_debt(const RateLimit& limit, uint32_t now_ms) const;
  void note_control_frame(const RateLimit& limit, uint32_t now_ms);
  static Explanation explain(Wrong wrong);

  uint64_t payload_left_ = 0;
  uint64_t into_frame_ = 0;
  uint64_t message_bytes_ = 0;  // announced by all frames of the open message, saturating
  Lasting lasting_;
  Utf8Validator utf8_;
  uint8_t mask_key_[4] =
      {};  // turned so that the byte at into_frame_ is masked with [into_frame_ % 4]
  uint32_t small_fragments_ = 0;   // of the open message
  uint16_t peer_close_code_ = 0;   // 0 until a Close was accepted
  uint8_t close_second_byte_ = 0;  // as it must become, where that Close is shortened
  Wrong wrong_{};                  // what made the verdict `bad`
  bool in_message_ = false;        // a message is open: its final frame did not begin yet
  bool check_text_ = false;        // the message of the latest data frame is text to be validated
};

}  // namespace sluice
