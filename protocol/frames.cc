// FrameScanner: whole short messages are stepped over in one loop; everything else is judged byte
// by byte in the order of the wire, so that a verdict hangs on the bytes alone and never on their
// split.
#include "protocol/frames.h"

#include <algorithm>

#include "net/check.h"

namespace sluice {

enum class FrameScanner::Wrong : uint8_t {
  nothing,
  reserved_bits,
  reserved_opcode,
  control_fragmented,
  control_flood,
  nothing_to_continue,
  message_inside_message,
  too_many_small_fragments,
  mask_missing,
  mask_unexpected,
  control_too_long,
  length_top_bit,
  length_not_minimal,
  message_too_big,
  text_not_utf8,
  close_one_byte,
  close_code,
  close_reason_not_utf8,
  close_undecodable,
};

struct FrameScanner::Explanation {
  CloseCode code;
  const char* reason;
};

namespace {

constexpr uint8_t fin_bit = 0x80;
constexpr uint8_t rsv1_bit = 0x40;
constexpr uint8_t rsv23_bits = 0x30;
constexpr uint8_t mask_bit = 0x80;
constexpr uint8_t length_bits = 0x7f;
// The clock of the control frames' bucket has so many bits below a millisecond: it meets a rate of
// a million a second within 1%.
constexpr unsigned due_fraction_bits = 16;
constexpr uint64_t due_mask = (uint64_t{1} << (32 + due_fraction_bits)) - 1;

inline Opcode opcode_of(uint8_t first) {
  return static_cast<Opcode>(first & 0x0f);
}
inline bool is_final(uint8_t first) {
  return (first & fin_bit) != 0;
}
inline bool is_control(uint8_t first) {
  return (first & 0x08) != 0;
}

inline bool is_reserved(uint8_t first) {
  const uint8_t opcode = first & 0x0f;
  return (opcode > 0x2 && opcode < 0x8) || opcode > 0xa;
}

inline bool begins_message(uint8_t first) {
  return opcode_of(first) == Opcode::text || opcode_of(first) == Opcode::binary;
}

// How many bytes of extended length follow the two first bytes.
inline size_t extended_length_bytes(uint8_t second) {
  const uint8_t length = second & length_bits;
  return length < 126 ? 0 : length == 126 ? 2 : 8;
}

inline uint64_t read_length(const uint8_t* header, size_t length_bytes) {
  if (length_bytes == 0) return header[1] & length_bits;
  uint64_t length = 0;
  for (size_t i = 0; i < length_bytes; ++i) length = length << 8 | header[2 + i];
  return length;
}

inline uint32_t read_32(std::span<const uint8_t> bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | bytes[i];
  return value;
}

// How long the bucket takes to lose one frame.
inline uint64_t interval_of(const RateLimit& limit) {
  return (uint64_t{1000} << due_fraction_bits) / limit.a_second;
}

// Whether the frame that begins so waits for its turn.
inline bool held_back(uint8_t first, const FrameRules& rules, uint64_t messages) {
  return messages >= rules.most_messages && begins_message(first);
}

inline uint64_t saturating_sum(uint64_t a, uint64_t b) {
  return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

// Whether a pong has that tag, and what stands behind it.
bool answers_us(std::span<const uint8_t> frame, uint32_t tag, uint32_t& stamp) {
  const auto payload = decode_control_frame(frame);
  if (!payload || payload->size() != own_ping_bytes) return false;
  stamp = read_32(payload->subspan(4));
  return read_32(*payload) == tag;
}

// Steps over whole messages of one short frame and one type, by far the most common ones; returns
// their bytes. Whatever is not plainly one of them, good or bad, stops the loop and is left to
// take_frame(). `bytes`: at least one.
inline size_t skip_short_messages(std::span<const uint8_t> bytes, const FrameRules& rules,
                                  uint64_t& messages) {
  // First bytes are compared as one range, 0x81 (text) to 0x82 (binary), with RSV1 left out where
  // it is legal. Text to be validated is not stepped over.
  const uint32_t first_bits = rules.deflate ? 0xff & ~rsv1_bit : 0xff;
  const uint32_t lowest_first = rules.validate_utf8 ? 0x82 : 0x81;
  const uint8_t* const data = bytes.data();
  const uint32_t type = data[0] & first_bits;
  if (type - lowest_first > 0x82 - lowest_first) return 0;
  // Second bytes, once XORed with the mask bit as it should be: one that is wrong becomes a length
  // over 127, and extended lengths are 126 and 127.
  const uint32_t expected_mask = rules.expect_masked ? mask_bit : 0;
  const uint64_t limit = rules.max_message_bytes == 0 ? UINT64_MAX : rules.max_message_bytes;
  const uint32_t longest = static_cast<uint32_t>(std::min<uint64_t>(limit, 125));
  const size_t header_bytes = rules.expect_masked ? 6 : 2;
  size_t at = 0;
  const uint64_t most = rules.most_messages - std::min(rules.most_messages, messages);
  uint64_t count = 0;
  while (bytes.size() - at >= 2 && count < most) {
    const uint32_t length = data[at + 1] ^ expected_mask;
    if ((data[at] & first_bits) != type || length > longest) break;
    if (header_bytes + length > bytes.size() - at) break;
    at += header_bytes + length;
    ++count;
  }
  messages += count;
  if (rules.counts != nullptr) rules.counts->add_short_messages(type, count);
  return at;
}

}  // namespace

void write_own_ping(uint32_t tag, uint32_t stamp, uint8_t out[own_ping_bytes]) {
  for (size_t i = 0; i < 4; ++i) {
    out[i] = static_cast<uint8_t>(tag >> (24 - 8 * i));
    out[4 + i] = static_cast<uint8_t>(stamp >> (24 - 8 * i));
  }
}

size_t large_frame_header_bytes(std::span<const uint8_t> bytes) {
  if (bytes.size() < 2 || is_control(bytes[0])) return 0;
  const size_t length_bytes = extended_length_bytes(bytes[1]);
  const size_t header_bytes = 2 + length_bytes + ((bytes[1] & mask_bit) != 0 ? 4 : 0);
  return length_bytes == 8 && header_bytes <= bytes.size() ? header_bytes : 0;
}

FrameScanner::Scan FrameScanner::scan(std::span<const uint8_t> bytes, const FrameRules& rules,
                                      uint32_t now_ms) {
  Scan seen;
  while (seen.accepted < bytes.size() && verdict() == Verdict::good) {
    const std::span<const uint8_t> rest = bytes.subspan(seen.accepted);
    size_t taken = 0;
    if (payload_left_ == 0 && !in_message_) {
      taken = skip_short_messages(rest, rules, lasting_.messages);
      if (taken > 0) lasting_.large_frame = false;
      if (taken == 0 && held_back(rest[0], rules, lasting_.messages)) {
        seen.verdict = Verdict::held;
        break;
      }
    }
    if (taken == 0) taken = take(rest, rules, now_ms, seen);
    if (taken == 0) break;
    seen.accepted += taken;
    if (seen.pong_bytes > 0) break;
  }
  return judged(seen);
}

FrameScanner::Scan FrameScanner::scan_to(Boundary boundary, std::span<const uint8_t> bytes,
                                         const FrameRules& rules, uint32_t now_ms) {
  SLUICE_DCHECK(!at(boundary));
  Scan seen;
  while (seen.accepted < bytes.size() && verdict() == Verdict::good) {
    const size_t taken = take(bytes.subspan(seen.accepted), rules, now_ms, seen);
    if (taken == 0) break;
    seen.accepted += taken;
    if (seen.pong_bytes > 0 || at(boundary)) break;
  }
  return judged(seen);
}

// Payload of the frame under way, or the next frame's header or all of it.
size_t FrameScanner::take(std::span<const uint8_t> bytes, const FrameRules& rules, uint32_t now_ms,
                          Scan& seen) {
  if (payload_left_ > 0) return take_payload(bytes, rules);
  const size_t taken = take_frame(bytes, rules, now_ms, seen);
  if (close_second_byte_ != 0 && taken > 0) seen.changed_at = seen.accepted + 1;
  return taken;
}

FrameScanner::Scan FrameScanner::judged(Scan seen) const {
  if (verdict() != Verdict::good) {
    seen.verdict = verdict();
  } else if (seen.pong_bytes > 0) {
    seen.verdict = Verdict::own_pong;
  }
  seen.changed_to = close_second_byte_;
  return seen;
}

FrameScanner::Verdict FrameScanner::verdict() const {
  if (wrong_ != Wrong::nothing) return Verdict::bad;
  return peer_close_code_ != 0 ? Verdict::closed : Verdict::good;
}

// Accepts payload up to the frame's end, or to the first byte that makes a text invalid.
size_t FrameScanner::take_payload(std::span<const uint8_t> bytes, const FrameRules& rules) {
  size_t taken = static_cast<size_t>(std::min<uint64_t>(bytes.size(), payload_left_));
  if (check_text_) {
    const auto text = bytes.first(taken);
    const size_t valid =
        rules.expect_masked ? utf8_.feed_masked(text, mask_key_, into_frame_) : utf8_.feed(text);
    const bool ends_message = taken == payload_left_ && !in_message_;
    if (valid < taken) {
      wrong_ = Wrong::text_not_utf8;
      taken = valid;
    } else if (ends_message && !utf8_.complete()) {
      wrong_ = Wrong::text_not_utf8;
      taken -= 1;  // the byte that should have completed the character is the bad one
    }
  }
  count_payload(taken);
  return taken;
}

void FrameScanner::step_over(uint64_t payload_bytes) {
  SLUICE_DCHECK(!check_text_ && payload_bytes <= payload_left_);
  count_payload(payload_bytes);
}

void FrameScanner::count_payload(uint64_t bytes) {
  payload_left_ -= bytes;
  into_frame_ = payload_left_ == 0 ? 0 : into_frame_ + bytes;
}

// Judges the frame that begins with bytes[0] as far as it is there. Returns what it accepts: a data
// frame's header, a whole control frame, or 0 where it is incomplete or wrong.
size_t FrameScanner::take_frame(std::span<const uint8_t> bytes, const FrameRules& rules,
                                uint32_t now_ms, Scan& seen) {
  const uint8_t first = bytes[0];
  wrong_ = judge_first_byte(first, rules, now_ms);
  if (wrong_ != Wrong::nothing || bytes.size() < 2) return 0;

  const uint8_t second = bytes[1];
  if (((second & mask_bit) != 0) != rules.expect_masked) {
    wrong_ = rules.expect_masked ? Wrong::mask_missing : Wrong::mask_unexpected;
    return 0;
  }
  const size_t length_bytes = extended_length_bytes(second);
  if (is_control(first) && length_bytes != 0) {
    wrong_ = Wrong::control_too_long;
    return 0;
  }
  if (bytes.size() < 2 + length_bytes) return 0;

  const uint64_t payload_bytes = read_length(bytes.data(), length_bytes);
  wrong_ = judge_length(first, length_bytes, payload_bytes, rules);
  if (wrong_ == Wrong::message_too_big) {  // for explanation(): what it has grown to
    const uint64_t before = begins_message(first) ? 0 : message_bytes_;
    message_bytes_ = saturating_sum(before, payload_bytes);
  }
  if (wrong_ != Wrong::nothing) return 0;

  const size_t header_bytes = 2 + length_bytes + (rules.expect_masked ? 4 : 0);
  if (is_control(first)) {
    const size_t frame_bytes = header_bytes + static_cast<size_t>(payload_bytes);
    if (bytes.size() < frame_bytes) return 0;
    return take_control_frame(bytes.first(frame_bytes), rules, now_ms, seen);
  }
  if (bytes.size() < header_bytes) return 0;
  begin_frame(bytes.first(header_bytes), payload_bytes, rules);
  return header_bytes;
}

FrameScanner::Wrong FrameScanner::judge_first_byte(uint8_t first, const FrameRules& rules,
                                                   uint32_t now_ms) const {
  if ((first & rsv23_bits) != 0) return Wrong::reserved_bits;
  // RSV1 says that a message is compressed: only its first frame may say so (RFC 7692 section 6).
  if ((first & rsv1_bit) != 0 && !(rules.deflate && begins_message(first))) {
    return Wrong::reserved_bits;
  }
  if (is_reserved(first)) return Wrong::reserved_opcode;
  if (is_control(first)) {
    if (!is_final(first)) return Wrong::control_fragmented;
    if (opcode_of(first) == Opcode::close) return Wrong::nothing;  // who floods may still leave
    return control_flood(rules.control_frames, now_ms) ? Wrong::control_flood : Wrong::nothing;
  }
  if (begins_message(first)) return in_message_ ? Wrong::message_inside_message : Wrong::nothing;
  return in_message_ ? Wrong::nothing : Wrong::nothing_to_continue;
}

FrameScanner::Wrong FrameScanner::judge_length(uint8_t first, size_t length_bytes,
                                               uint64_t payload_bytes,
                                               const FrameRules& rules) const {
  if (is_control(first)) {
    const bool one_byte = opcode_of(first) == Opcode::close && payload_bytes == 1;
    return one_byte ? Wrong::close_one_byte : Wrong::nothing;
  }
  if (payload_bytes >> 63 != 0) return Wrong::length_top_bit;
  if (length_bytes == 2 && payload_bytes < 126) return Wrong::length_not_minimal;
  if (length_bytes == 8 && payload_bytes <= UINT16_MAX) return Wrong::length_not_minimal;

  const bool continues = !begins_message(first);
  const uint64_t message_bytes = saturating_sum(continues ? message_bytes_ : 0, payload_bytes);
  if (rules.max_message_bytes != 0 && message_bytes > rules.max_message_bytes) {
    return Wrong::message_too_big;
  }
  if (continues && payload_bytes < small_fragment_bytes && rules.max_small_fragments != 0 &&
      small_fragments_ >= rules.max_small_fragments) {
    return Wrong::too_many_small_fragments;
  }
  // An empty final frame has no byte that could complete a character.
  if (continues && is_final(first) && payload_bytes == 0 && check_text_ && !utf8_.complete()) {
    return Wrong::text_not_utf8;
  }
  return Wrong::nothing;
}

// Accepts a data frame's header and makes its payload the next thing to come.
void FrameScanner::begin_frame(std::span<const uint8_t> header, uint64_t payload_bytes,
                               const FrameRules& rules) {
  const uint8_t first = header[0];
  if (begins_message(first)) {
    ++lasting_.messages;
    message_bytes_ = 0;
    small_fragments_ = 0;
    const bool compressed = (first & rsv1_bit) != 0;
    check_text_ = rules.validate_utf8 && opcode_of(first) == Opcode::text && !compressed;
    utf8_.reset();
  }
  if (rules.counts != nullptr) rules.counts->add_data_frame(header);
  message_bytes_ = saturating_sum(message_bytes_, payload_bytes);
  if (payload_bytes < small_fragment_bytes) ++small_fragments_;
  in_message_ = !is_final(first);
  lasting_.large_frame = payload_bytes > UINT16_MAX;
  payload_left_ = payload_bytes;
  into_frame_ = payload_bytes == 0 ? 0 : header.size();
  if (check_text_ && rules.expect_masked) {
    for (size_t i = 0; i < 4; ++i)
      mask_key_[(header.size() + i) % 4] = header[header.size() - 4 + i];
  }
}

// Accepts a whole control frame. It may stand between a message's fragments and leaves the message
// as it is.
size_t FrameScanner::take_control_frame(std::span<const uint8_t> frame, const FrameRules& rules,
                                        uint32_t now_ms, Scan& seen) {
  if (opcode_of(frame[0]) == Opcode::close) {
    const size_t taken = take_close(frame, rules);
    if (taken > 0 && rules.counts != nullptr) rules.counts->add_control_frame(frame.first(taken));
    return taken;
  }
  if (rules.own_pong_tag != 0 && opcode_of(frame[0]) == Opcode::pong &&
      answers_us(frame, rules.own_pong_tag, seen.pong_stamp)) {
    seen.pong_bytes = static_cast<uint8_t>(frame.size());
    return frame.size();  // we made the peer send it, so it counts against no limit
  }
  if (rules.control_frames.a_second != 0) note_control_frame(rules.control_frames, now_ms);
  if (rules.counts != nullptr) rules.counts->add_control_frame(frame);
  return frame.size();
}

// Returns what of the frame travels on: the mask of what is left does not change with its length.
size_t FrameScanner::take_close(std::span<const uint8_t> frame, const FrameRules& rules) {
  const auto payload = decode_control_frame(frame);
  if (!payload) {
    wrong_ = Wrong::close_undecodable;
    return 0;
  }
  if (payload->empty()) {
    peer_close_code_ = static_cast<uint16_t>(CloseCode::no_status);
    return frame.size();
  }
  SLUICE_DCHECK(payload->size() >= 2);  // one byte was refused by judge_length()
  const auto code = static_cast<uint16_t>((*payload)[0] << 8 | (*payload)[1]);
  const auto reason = payload->subspan(2);
  const size_t broken = reason.size() - utf8_whole_bytes(reason);
  if (!close_code_allowed_on_wire(code)) {
    wrong_ = Wrong::close_code;
  } else if (broken > 0 && rules.validate_utf8) {
    wrong_ = Wrong::close_reason_not_utf8;
  }
  if (wrong_ != Wrong::nothing) return 0;
  peer_close_code_ = code;
  if (broken > 0) close_second_byte_ = static_cast<uint8_t>(frame[1] - broken);
  return frame.size() - broken;
}

// The bucket holds `burst` frames and loses `a_second` of them in a second. All that is kept of it
// is when it will be empty (the generic cell rate algorithm), on the 32-bit clock of `now_ms`.
bool FrameScanner::control_flood(const RateLimit& limit, uint32_t now_ms) const {
  if (limit.a_second == 0) return false;
  const uint64_t interval = interval_of(limit);
  return control_debt(limit, now_ms) + interval > limit.burst * interval;
}

// How long until the bucket is empty. More than a full one takes is a time long past.
uint64_t FrameScanner::control_debt(const RateLimit& limit, uint32_t now_ms) const {
  const uint64_t due =
      uint64_t{lasting_.control_due_ms} << due_fraction_bits | lasting_.control_due_fraction;
  if (due == 0) return 0;  // nothing was counted yet
  const uint64_t debt = (due - (uint64_t{now_ms} << due_fraction_bits)) & due_mask;
  return debt <= limit.burst * interval_of(limit) ? debt : 0;
}

void FrameScanner::note_control_frame(const RateLimit& limit, uint32_t now_ms) {
  uint64_t due =
      (uint64_t{now_ms} << due_fraction_bits) + control_debt(limit, now_ms) + interval_of(limit);
  if ((due & due_mask) == 0) --due;  // 0 stands for an empty bucket, and the clock gets there
  lasting_.control_due_ms = static_cast<uint32_t>(due >> due_fraction_bits);
  lasting_.control_due_fraction = static_cast<uint16_t>(due & ((1u << due_fraction_bits) - 1));
}

CloseCode FrameScanner::code() const {
  return explain(wrong_).code;
}
const char* FrameScanner::reason() const {
  return explain(wrong_).reason;
}

std::string FrameScanner::explanation(const FrameRules& rules) const {
  switch (wrong_) {
    case Wrong::message_too_big:
      return "message of at least " + std::to_string(message_bytes_) +
             " bytes over max_message_size " + std::to_string(rules.max_message_bytes);
    case Wrong::too_many_small_fragments:
      return "fragment " + std::to_string(uint64_t{small_fragments_} + 1) + " under " +
             std::to_string(small_fragment_bytes) +
             " bytes of a message over max_small_fragments " +
             std::to_string(rules.max_small_fragments);
    case Wrong::control_flood:
      return "control frame " + std::to_string(uint64_t{rules.control_frames.burst} + 1) +
             " of a burst over control_frame_rate " +
             std::to_string(rules.control_frames.a_second) +
             " burst=" + std::to_string(rules.control_frames.burst);
    default:
      return reason();
  }
}

FrameScanner::Explanation FrameScanner::explain(Wrong wrong) {
  constexpr CloseCode protocol = CloseCode::protocol_error;
  switch (wrong) {
    case Wrong::nothing:
      return {CloseCode::normal, ""};
    case Wrong::reserved_bits:
      return {protocol, "reserved bit set"};
    case Wrong::reserved_opcode:
      return {protocol, "reserved opcode"};
    case Wrong::control_fragmented:
      return {protocol, "fragmented control frame"};
    case Wrong::control_flood:
      return {CloseCode::policy_violation, "control frames over control_frame_rate"};
    case Wrong::nothing_to_continue:
      return {protocol, "continuation frame without a message"};
    case Wrong::message_inside_message:
      return {protocol, "new message inside a fragmented message"};
    case Wrong::too_many_small_fragments:
      return {CloseCode::policy_violation, "small fragments over max_small_fragments"};
    case Wrong::mask_missing:
      return {protocol, "unmasked frame from a client"};
    case Wrong::mask_unexpected:
      return {protocol, "masked frame from an upstream"};
    case Wrong::control_too_long:
      return {protocol, "control frame over 125 bytes"};
    case Wrong::length_top_bit:
      return {protocol, "top bit of a 64-bit length set"};
    case Wrong::length_not_minimal:
      return {protocol, "length not in its shortest form"};
    case Wrong::message_too_big:
      return {CloseCode::message_too_big, "message over max_message_size"};
    case Wrong::text_not_utf8:
      return {CloseCode::invalid_data, "text is not UTF-8"};
    case Wrong::close_one_byte:
      return {protocol, "Close with one byte of payload"};
    case Wrong::close_code:
      return {protocol, "Close with a code that is not allowed"};
    case Wrong::close_reason_not_utf8:
      return {CloseCode::invalid_data, "Close reason is not UTF-8"};
    case Wrong::close_undecodable:
      return {protocol, "Close that wslay refuses"};
  }
  return {protocol, ""};
}

}  // namespace sluice
