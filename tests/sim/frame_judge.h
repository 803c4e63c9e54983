// FrameJudge: the simulator's own reading of RFC 6455 section 5, written for plainness and apart
// from protocol/frames, so that the two can be held against each other.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::sim {

struct JudgeRules {
  bool masked = false;
  bool deflate = false;
  bool utf8 = false;
  uint64_t max_message_bytes = 0;
  uint32_t most_small_fragments = 0;  // 0: unlimited, as the next
  uint32_t controls_a_second = 0;
  uint32_t control_burst = 0;
};

// UTF-8 (RFC 3629), one byte at a time.
class Utf8Judge {
 public:
  bool take(uint8_t byte);  // false: no valid text goes on like this
  bool complete() const { return more_ == 0; }
  void reset() { more_ = 0; }

 private:
  int more_ = 0;
  uint8_t least_ = 0x80;
  uint8_t most_ = 0xbf;
};

// The proxy's own pings toward one side, as they were seen to go out: each pong that answers one is
// the proxy's, and no part of what travels.
struct OwnPings {
  uint32_t tag = 0;     // the first half of their payload, always the same; 0: none was sent yet
  uint32_t latest = 0;  // the second half of the latest one
  uint32_t unanswered = 0;
  uint64_t count = 0;
  uint64_t answers = 0;

  // Whether a pong with that payload is the proxy's; it is one answer.
  bool take(std::string_view payload);
};
// Four bytes in network order.
uint32_t number_at(std::string_view bytes, size_t at);

// Judges a stream that its owner keeps and lets grow.
class FrameJudge {
 public:
  enum class Verdict : uint8_t { good, closed, bad };

  struct Frame {
    uint64_t begin = 0;
    uint64_t header_bytes = 0;
    uint64_t payload_bytes = 0;
    uint8_t first = 0;
    uint8_t opcode() const { return first & 15; }
    uint64_t end() const { return begin + header_bytes + payload_bytes; }
  };

  JudgeRules rules;
  OwnPings* own_pings = nullptr;  // toward the stream's source

  // `stream` is everything from its beginning; looks at what is new. `now_ms` is the reactor's
  // clock.
  void look(std::string_view stream, uint64_t now_ms);

  Verdict verdict() const { return verdict_; }
  uint16_t code() const { return code_; }  // after `bad`
  const char* reason() const { return reason_; }
  uint16_t close_code() const { return close_code_; }  // after `closed`
  // Where a Close loses the broken tail of its reason: its length byte, and what that becomes.
  uint64_t changed_at() const { return changed_at_; }  // 0: nothing changes
  char changed_to() const { return changed_to_; }
  uint64_t accepted() const { return at_; }  // bytes that may travel on
  bool in_frame() const { return left_ > 0; }
  uint64_t frame_begin() const { return in_frame() ? frames_.back().begin : at_; }
  // Accepted frames; of a data frame that goes on only the header counts.
  const std::vector<Frame>& frames() const { return frames_; }
  // The last frame boundary at or before `offset`.
  uint64_t boundary_before(uint64_t offset) const;
  bool in_message() const { return in_message_; }
  // Whether there is no message under way at that boundary.
  bool between_messages(uint64_t boundary) const;
  // After look(): so many bytes at accepted() are a pong of the proxy's. Its owner erases them and
  // looks again.
  uint64_t take_foreign() { return std::exchange(foreign_, 0); }

 private:
  bool take_payload(std::string_view stream);
  bool take_header(std::string_view stream, uint64_t now_ms);
  bool judge_first(uint8_t first, uint64_t now_ms);
  bool judge_length(uint8_t first, uint64_t length, unsigned length_bytes);
  bool is_own_pong(std::string_view frame, uint64_t header_bytes, uint64_t length) const;
  bool take_control(std::string_view frame, uint64_t now_ms, uint64_t header_bytes);
  uint64_t take_close(std::string payload);
  bool bad(uint16_t code, const char* reason);
  uint64_t controls_counted(uint64_t now_ms) const;

  Verdict verdict_ = Verdict::good;
  uint16_t code_ = 0;
  uint16_t close_code_ = 0;
  const char* reason_ = "";
  uint64_t changed_at_ = 0;
  char changed_to_ = 0;
  uint64_t at_ = 0;
  uint64_t left_ = 0;  // payload of the current frame
  uint64_t message_bytes_ = 0;
  uint32_t small_fragments_ = 0;
  bool in_message_ = false;
  uint64_t foreign_ = 0;
  bool text_ = false;  // the open message is text to be validated
  uint64_t controls_ms_ = 0;
  uint64_t controls_ = 0;  // thousandths of control frames in the bucket, at controls_ms_
  Utf8Judge utf8_;
  std::vector<Frame> frames_;
};

// The payload of a frame, without its mask.
std::string payload_of(std::string_view stream, const FrameJudge::Frame& frame);

}  // namespace sluice::sim
