// One pass over the bytes with one wslay context; wslay reads ahead, so the place in the bytes is
// counted from what it decoded.
#include "tests/fuzz/frame_oracle.h"

#include <sys/types.h>  // ssize_t, which wslay.h uses
#include <wslay/wslay.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "net/check.h"

namespace sluice::fuzz {

namespace {

using Verdict = FrameScanner::Verdict;

// wslay over the bytes and zeros behind them: a header alone would leave it undecided.
class Wslay {
 public:
  explicit Wslay(std::span<const uint8_t> bytes) : bytes_(bytes.begin(), bytes.end()) {
    bytes_.resize(bytes_.size() + 16);
    const wslay_frame_callbacks callbacks = {nullptr, take, nullptr};
    SLUICE_CHECK(wslay_frame_context_init(&context_, &callbacks, this) == 0);
  }
  ~Wslay() { wslay_frame_context_free(context_); }
  Wslay(const Wslay&) = delete;
  Wslay& operator=(const Wslay&) = delete;

  // The next frame's header and the unmasked payload that is there; nullopt where wslay refuses.
  std::optional<wslay_frame_iocb> frame(std::vector<uint8_t>& payload) {
    wslay_frame_iocb first{};
    payload.clear();
    for (bool begun = false;; begun = true) {
      wslay_frame_iocb part{};
      const ssize_t received = wslay_frame_recv(context_, &part);
      if (received == WSLAY_ERR_PROTO) return std::nullopt;
      if (received < 0) {
        SLUICE_CHECK(begun && received == WSLAY_ERR_WANT_READ);
        return first;
      }
      if (!begun) first = part;
      payload.insert(payload.end(), part.data, part.data + part.data_length);
      if (payload.size() == first.payload_length) return first;
    }
  }

 private:
  static ssize_t take(uint8_t* out, size_t size, int, void* user_data) {
    auto* wslay = static_cast<Wslay*>(user_data);
    const size_t taken = std::min(size, wslay->bytes_.size() - wslay->taken_);
    if (taken == 0) return -1;
    std::memcpy(out, wslay->bytes_.data() + wslay->taken_, taken);
    wslay->taken_ += taken;
    return static_cast<ssize_t>(taken);
  }

  std::vector<uint8_t> bytes_;
  size_t taken_ = 0;
  wslay_frame_context_ptr context_ = nullptr;
};

class Oracle {
 public:
  Oracle(std::span<const uint8_t> bytes, const FrameRules& rules, bool control_limit)
      : bytes_(bytes), rules_(rules), control_limit_(control_limit), wslay_(bytes) {}

  FrameOpinion judge() {
    while (at_ < bytes_.size() && opinion_.verdict == Verdict::good) {
      if (!judge_frame()) break;
    }
    return opinion_;
  }

 private:
  bool wrong(uint16_t code, size_t accepted) {
    opinion_.verdict = Verdict::bad;
    opinion_.code = code;
    opinion_.accepted = accepted;
    return false;
  }

  // False where the bytes or the patience end.
  bool judge_frame() {
    const std::span<const uint8_t> rest = bytes_.subspan(at_);
    fin_ = rest[0] >= 0x80;
    opcode_ = rest[0] % 16;
    if (const uint16_t code = wrong_with_first_byte(rest[0]); code != 0) return wrong(code, at_);
    if (rest.size() < 2) return false;
    if ((rest[1] >= 0x80) != rules_.expect_masked) return wrong(1002, at_);
    const size_t short_length = rest[1] % 128;
    const size_t extended = short_length < 126 ? 0 : short_length == 126 ? 2 : 8;
    if (opcode_ < 8 && rest.size() < 2 + extended) return false;
    const auto frame = wslay_.frame(payload_);
    if (!frame) return wrong(1002, at_);
    SLUICE_CHECK(frame->fin == fin_ && frame->opcode == opcode_ && frame->rsv == rest[0] / 16 % 8 &&
                 frame->mask == rules_.expect_masked);
    header_ = 2 + extended + (rules_.expect_masked ? 4 : 0);
    length_ = frame->payload_length;
    return opcode_ >= 8 ? judge_control(rest.size()) : judge_data(rest.size());
  }

  uint16_t wrong_with_first_byte(uint8_t first) {
    const bool rsv1 = (first & 0x40) != 0;
    if ((first & 0x30) != 0) return 1002;
    if (rsv1 && (!rules_.deflate || (opcode_ != 1 && opcode_ != 2))) return 1002;
    if (opcode_ > 10 || (opcode_ > 2 && opcode_ < 8)) return 1002;
    if (opcode_ >= 8) {
      if (!fin_) return 1002;
      const bool limited = control_limit_ && rules_.control_frames.a_second > 0;
      return limited && opcode_ != 8 && controls_ == rules_.control_frames.burst ? 1008 : 0;
    }
    return (opcode_ == 0) != in_message_ ? 1002 : 0;
  }

  void end_frame(size_t accepted, bool is_close) {
    opinion_.last_frame_at = at_;
    opinion_.last_frame_is_close = is_close;
    const uint64_t whole = header_ + length_;
    const size_t here = accepted - at_;
    opinion_.accepted = accepted;
    opinion_.payload_left = whole - here;
    opinion_.into_frame = here == whole ? 0 : here;
    at_ = accepted;
  }

  bool judge_control(size_t left) {
    if (opcode_ == 8 && length_ == 1) return wrong(1002, at_);
    if (left < header_ + length_) return false;
    if (opcode_ != 8) {
      ++controls_;
      end_frame(at_ + header_ + static_cast<size_t>(length_), false);
      return true;
    }
    uint32_t code = 1005;
    if (length_ > 0) {
      code = payload_[0] * 256u + payload_[1];
      if (!close_code_permitted(code)) return wrong(1002, at_);
      const auto reason = std::span<const uint8_t>(payload_).subspan(2);
      const size_t whole = whole_characters(reason);
      if (whole < reason.size()) {
        if (rules_.validate_utf8) return wrong(1007, at_);
        length_ = 2 + whole;
        opinion_.changed_at = at_ + 1;
        opinion_.changed_to = static_cast<uint8_t>(length_ + (rules_.expect_masked ? 128 : 0));
      }
    }
    end_frame(at_ + header_ + static_cast<size_t>(length_), true);
    opinion_.verdict = Verdict::closed;
    opinion_.peer_close_code = static_cast<uint16_t>(code);
    return false;
  }

  bool judge_data(size_t left) {
    const uint64_t before = opcode_ == 0 ? message_bytes_ : 0;
    const uint64_t limit = rules_.max_message_bytes;
    if (limit != 0 && length_ > limit - before) return wrong(1009, at_);
    const bool small = length_ < 64;
    const uint32_t most_small = rules_.max_small_fragments;
    if (opcode_ == 0 && small && most_small > 0 && small_fragments_ == most_small) {
      return wrong(1008, at_);
    }
    bool complete = true;
    if (opcode_ == 0 && check_text_) utf8_prefix(text_, complete);
    if (fin_ && length_ == 0 && !complete) return wrong(1007, at_);
    if (left < header_) return false;
    if (opcode_ != 0) {
      ++opinion_.messages;
      small_fragments_ = 0;
      text_.clear();
      check_text_ = opcode_ == 1 && rules_.validate_utf8 && (bytes_[at_] & 0x40) == 0;
    }
    message_bytes_ = before + length_;
    if (small) ++small_fragments_;
    in_message_ = !fin_;
    const size_t here = static_cast<size_t>(std::min<uint64_t>(length_, left - header_));
    if (check_text_) {
      const size_t earlier = text_.size();
      text_.insert(text_.end(), payload_.begin(),
                   payload_.begin() + static_cast<std::ptrdiff_t>(here));
      const size_t valid = utf8_prefix(text_, complete);
      const bool whole = valid == text_.size();
      if (!whole) return wrong(1007, at_ + header_ + valid - earlier);
      if (fin_ && here == length_ && !complete) return wrong(1007, at_ + header_ + here - 1);
    }
    end_frame(at_ + header_ + here, false);
    return true;
  }

  std::span<const uint8_t> bytes_;
  FrameRules rules_;
  bool control_limit_;
  Wslay wslay_;
  FrameOpinion opinion_;
  std::vector<uint8_t> payload_;  // of the frame, unmasked, zeros behind the bytes' end
  std::vector<uint8_t> text_;     // of the message
  size_t at_ = 0;
  size_t header_ = 0;
  uint64_t length_ = 0;
  uint64_t message_bytes_ = 0;  // at most the limit, where there is one
  uint32_t small_fragments_ = 0;
  uint32_t controls_ = 0;
  unsigned opcode_ = 0;
  bool fin_ = false;
  bool in_message_ = false;
  bool check_text_ = false;
};

}  // namespace

FrameOpinion opinion_on(std::span<const uint8_t> bytes, const FrameRules& rules,
                        bool control_limit) {
  return Oracle(bytes, rules, control_limit).judge();
}

size_t utf8_prefix(std::span<const uint8_t> bytes, bool& complete) {
  size_t at = 0;
  while (at < bytes.size()) {
    const unsigned lead = bytes[at];
    const size_t size = lead < 0x80   ? 1
                        : lead < 0xc2 ? 0
                        : lead < 0xe0 ? 2
                        : lead < 0xf0 ? 3
                        : lead < 0xf5 ? 4
                                      : 0;
    complete = false;
    if (size == 0) return at;
    for (size_t i = 1; i < size; ++i) {
      if (at + i == bytes.size()) return bytes.size();
      // The second byte excludes overlong forms, surrogates and what lies over U+10FFFF.
      const unsigned lowest = i > 1 ? 0x80 : lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
      const unsigned highest = i > 1 ? 0xbf : lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
      if (bytes[at + i] < lowest || bytes[at + i] > highest) return at + i;
    }
    at += size;
  }
  complete = true;
  return at;
}

size_t whole_characters(std::span<const uint8_t> bytes) {
  size_t size = bytes.size();
  for (bool complete = false;; --size) {
    if (utf8_prefix(bytes.first(size), complete) == size && complete) return size;
  }
}

bool close_code_permitted(uint32_t code) {
  if (code < 1000 || code > 4999) return false;
  if (code >= 3000) return true;
  return code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

}  // namespace sluice::fuzz
