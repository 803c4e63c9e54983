// FrameJudge: one frame after the other, one rule after the other, in the order of the wire.
#include "tests/sim/frame_judge.h"

#include <algorithm>

namespace sluice::sim {

namespace {

uint8_t byte_at(std::string_view stream, uint64_t at) {
  return static_cast<uint8_t>(stream[static_cast<size_t>(at)]);
}

bool code_passes(unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

}  // namespace

bool Utf8Judge::take(uint8_t byte) {
  if (more_ > 0) {
    if (byte < least_ || byte > most_) return false;
    least_ = 0x80;
    most_ = 0xbf;
    --more_;
    return true;
  }
  if (byte < 0x80) return true;
  if (byte < 0xc2 || byte > 0xf4) return false;
  more_ = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
  least_ = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
  most_ = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
  return true;
}

void FrameJudge::look(std::string_view stream, uint64_t now_ms) {
  while (verdict_ == Verdict::good && at_ < stream.size()) {
    if (!(left_ > 0 ? take_payload(stream) : take_header(stream, now_ms))) return;
  }
}

bool FrameJudge::take_payload(std::string_view stream) {
  const Frame& frame = frames_.back();
  const uint64_t taken = std::min<uint64_t>(left_, stream.size() - at_);
  if (!text_) {
    at_ += taken;
    left_ -= taken;
    return true;
  }
  const bool last_frame = (frame.first & 0x80) != 0;
  for (uint64_t i = 0; i < taken; ++i) {
    uint8_t byte = byte_at(stream, at_);
    if (rules.masked) {
      const uint64_t key = frame.begin + frame.header_bytes - 4;
      byte ^= byte_at(stream, key + (at_ - frame.begin - frame.header_bytes) % 4);
    }
    Utf8Judge after = utf8_;
    const bool valid = after.take(byte);
    if (!valid || (last_frame && left_ == 1 && !after.complete())) {
      return bad(1007, "text is not UTF-8");
    }
    utf8_ = after;
    ++at_;
    --left_;
  }
  return true;
}

// False: more is needed, or the verdict is made.
bool FrameJudge::take_header(std::string_view stream, uint64_t now_ms) {
  const uint64_t there = stream.size() - at_;
  const uint8_t first = byte_at(stream, at_);
  if (!judge_first(first, now_ms) || there < 2) return false;
  const uint8_t second = byte_at(stream, at_ + 1);
  if (((second & 0x80) != 0) != rules.masked) return bad(1002, "mask");
  const unsigned short_length = second & 0x7f;
  if ((first & 8) != 0 && short_length > 125) return bad(1002, "long control frame");
  const unsigned length_bytes = short_length == 126 ? 2 : short_length == 127 ? 8 : 0;
  if (there < 2 + length_bytes) return false;
  uint64_t length = short_length;
  if (length_bytes != 0) length = 0;
  for (unsigned i = 0; i < length_bytes; ++i) length = length * 256 + byte_at(stream, at_ + 2 + i);
  if (!judge_length(first, length, length_bytes)) return false;

  const uint64_t header_bytes = 2 + length_bytes + (rules.masked ? 4 : 0);
  if ((first & 8) != 0) {
    if (there < header_bytes + length) return false;
    const auto frame =
        stream.substr(static_cast<size_t>(at_), static_cast<size_t>(header_bytes + length));
    if (is_own_pong(frame, header_bytes, length)) {
      foreign_ = frame.size();
      return false;
    }
    return take_control(frame, now_ms, header_bytes);
  }
  if (there < header_bytes) return false;
  const unsigned opcode = first & 15;
  if (opcode != 0) {
    message_bytes_ = 0;
    small_fragments_ = 0;
    text_ = rules.utf8 && opcode == 1 && (first & 0x40) == 0;
    utf8_.reset();
  }
  message_bytes_ += std::min(length, UINT64_MAX - message_bytes_);
  if (length < 64) ++small_fragments_;
  in_message_ = (first & 0x80) == 0;
  frames_.push_back(Frame{at_, header_bytes, length, first});
  at_ += header_bytes;
  left_ = length;
  return true;
}

bool FrameJudge::is_own_pong(std::string_view frame, uint64_t header_bytes, uint64_t length) const {
  if (own_pings == nullptr || (frame[0] & 15) != 10) return false;
  return own_pings->take(payload_of(frame, Frame{0, header_bytes, length, 0x8a}));
}

bool FrameJudge::judge_first(uint8_t first, uint64_t now_ms) {
  const unsigned opcode = first & 15;
  const bool final = (first & 0x80) != 0;
  if ((first & 0x30) != 0) return bad(1002, "RSV2 or RSV3");
  if ((first & 0x40) != 0 && !(rules.deflate && (opcode == 1 || opcode == 2))) {
    return bad(1002, "RSV1");
  }
  if ((opcode >= 3 && opcode <= 7) || opcode >= 11) return bad(1002, "reserved opcode");
  if (opcode >= 8) {
    if (!final) return bad(1002, "fragmented control frame");
    const uint64_t most = (rules.control_burst - 1) * uint64_t{1000};
    if (rules.controls_a_second > 0 && opcode != 8 && controls_counted(now_ms) > most) {
      return bad(1008, "control frame flood");
    }
    return true;
  }
  if (opcode != 0 && in_message_) return bad(1002, "message inside a message");
  if (opcode == 0 && !in_message_) return bad(1002, "nothing to continue");
  return true;
}

bool FrameJudge::judge_length(uint8_t first, uint64_t length, unsigned length_bytes) {
  const unsigned opcode = first & 15;
  if (opcode >= 8) {
    if (opcode == 8 && length == 1) return bad(1002, "Close of one byte");
    return true;
  }
  if (length >= uint64_t{1} << 63) return bad(1002, "top bit");
  if (length_bytes == 2 && length < 126) return bad(1002, "not minimal");
  if (length_bytes == 8 && length < 65536) return bad(1002, "not minimal");
  uint64_t sum = opcode == 0 ? message_bytes_ : 0;
  sum += std::min(length, UINT64_MAX - sum);
  if (rules.max_message_bytes != 0 && sum > rules.max_message_bytes) {
    return bad(1009, "message too big");
  }
  const bool counted = opcode == 0 && length < 64 && rules.most_small_fragments > 0;
  if (counted && small_fragments_ >= rules.most_small_fragments) return bad(1008, "fragment flood");
  const bool ends_text = opcode == 0 && (first & 0x80) != 0 && text_;
  if (ends_text && length == 0 && !utf8_.complete()) return bad(1007, "text is not UTF-8");
  return true;
}

bool FrameJudge::take_control(std::string_view frame, uint64_t now_ms, uint64_t header_bytes) {
  Frame whole{at_, header_bytes, frame.size() - header_bytes, static_cast<uint8_t>(frame[0])};
  if (whole.opcode() == 8) {
    const uint64_t kept =
        take_close(payload_of(frame, Frame{0, header_bytes, whole.payload_bytes, whole.first}));
    if (verdict_ == Verdict::bad) return false;
    if (kept < whole.payload_bytes) {
      changed_at_ = at_ + 1;
      changed_to_ = static_cast<char>(kept + (rules.masked ? 0x80 : 0));
      whole.payload_bytes = kept;
    }
  } else {
    controls_ = controls_counted(now_ms) + 1000;
    controls_ms_ = now_ms;
  }
  frames_.push_back(whole);
  at_ += header_bytes + whole.payload_bytes;
  return true;
}

// Returns how much of the payload travels on.
uint64_t FrameJudge::take_close(std::string payload) {
  if (payload.empty()) {
    verdict_ = Verdict::closed;
    close_code_ = 1005;
    return 0;
  }
  const unsigned code = byte_at(payload, 0) * 256u + byte_at(payload, 1);
  if (!code_passes(code)) {
    bad(1002, "Close code");
    return 0;
  }
  Utf8Judge reason;
  uint64_t whole = 2;
  for (size_t i = 2; i < payload.size() && reason.take(byte_at(payload, i)); ++i) {
    if (reason.complete()) whole = i + 1;
  }
  if (whole < payload.size() && rules.utf8) {
    bad(1007, "Close reason");
    return 0;
  }
  verdict_ = Verdict::closed;
  close_code_ = static_cast<uint16_t>(code);
  return whole;
}

bool FrameJudge::bad(uint16_t code, const char* reason) {
  verdict_ = Verdict::bad;
  code_ = code;
  reason_ = reason;
  return false;
}

// The proxy's clock for this has 32 bits, which makes no difference within a run.
uint64_t FrameJudge::controls_counted(uint64_t now_ms) const {
  const uint64_t lost = (now_ms - controls_ms_) * rules.controls_a_second;
  return controls_ - std::min(controls_, lost);
}

bool FrameJudge::between_messages(uint64_t boundary) const {
  bool within = false;
  for (const Frame& frame : frames_) {
    if (frame.begin >= boundary) break;
    if (frame.opcode() < 8) within = (frame.first & 0x80) == 0;
  }
  return !within;
}

uint64_t FrameJudge::boundary_before(uint64_t offset) const {
  auto after = std::upper_bound(frames_.begin(), frames_.end(), offset,
                                [](uint64_t at, const Frame& frame) { return at < frame.begin; });
  if (after == frames_.begin()) return 0;
  const Frame& frame = *(after - 1);
  return frame.end() <= offset ? frame.end() : frame.begin;
}

bool OwnPings::take(std::string_view payload) {
  if (unanswered == 0 || payload.size() != 8 || number_at(payload, 0) != tag) return false;
  --unanswered;
  if (number_at(payload, 4) == latest) unanswered = 0;
  ++answers;
  return true;
}

uint32_t number_at(std::string_view bytes, size_t at) {
  uint32_t number = 0;
  for (size_t i = 0; i < 4; ++i) number = number << 8 | byte_at(bytes, at + i);
  return number;
}

std::string payload_of(std::string_view stream, const FrameJudge::Frame& frame) {
  std::string payload(stream.substr(static_cast<size_t>(frame.begin + frame.header_bytes),
                                    static_cast<size_t>(frame.payload_bytes)));
  if ((byte_at(stream, frame.begin + 1) & 0x80) != 0) {
    const uint64_t key = frame.begin + frame.header_bytes - 4;
    for (size_t i = 0; i < payload.size(); ++i) {
      payload[i] = static_cast<char>(payload[i] ^ stream[static_cast<size_t>(key + i % 4)]);
    }
  }
  return payload;
}

}  // namespace sluice::sim
