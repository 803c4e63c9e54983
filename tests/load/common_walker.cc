// FrameWalker: wslay judges headers one by one, the rules between frames are here.
#include "tests/load/common_walker.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace sluice::load {

namespace {

bool is_control(uint8_t opcode) {
  return (opcode & 0x08) != 0;
}
bool is_reserved(uint8_t opcode) {
  return (opcode > 0x2 && opcode < 0x8) || opcode > 0xa;
}

}  // namespace

FrameStep FrameWalker::next(std::span<const uint8_t> bytes) {
  FrameStep step;
  if (payload_left_ > 0) {
    if (bytes.empty()) return step;
    step.kind = FrameStep::Kind::payload;
    step.consumed = static_cast<size_t>(std::min<uint64_t>(bytes.size(), payload_left_));
    step.offset = offset_;
    step.bytes = bytes.first(step.consumed);
    payload_left_ -= step.consumed;
    offset_ += step.consumed;
    return step;
  }
  FrameHeader header;
  const HeaderVerdict verdict = read_header(bytes, header);
  if (verdict == HeaderVerdict::more) return step;
  if (verdict == HeaderVerdict::bad) return bad("a frame header that wslay refuses");
  if (const char* fault = find_fault(header); fault != nullptr) return bad(fault);
  if (is_control(header.opcode)) return control_frame(bytes, header);

  step.kind = FrameStep::Kind::header;
  step.opcode = static_cast<Opcode>(header.opcode);
  step.consumed = header.bytes;
  step.bytes = bytes.first(header.bytes);
  payload_left_ = header.payload_bytes;
  offset_ = 0;
  in_message_ = !header.fin;
  if (header.masked) std::memcpy(key_, bytes.data() + header.bytes - sizeof key_, sizeof key_);
  return step;
}

const char* FrameWalker::find_fault(const FrameHeader& header) const {
  if (header.reserved_bits != 0) return "reserved bits in a frame header";
  if (is_reserved(header.opcode)) return "a reserved opcode";
  if (header.masked != expect_masked_) return expect_masked_ ? "no mask" : "an unexpected mask";
  if (is_control(header.opcode)) return nullptr;
  const bool continues = header.opcode == static_cast<uint8_t>(Opcode::continuation);
  if (continues && !in_message_) return "a continuation of nothing";
  if (!continues && in_message_) return "a message inside a message";
  return nullptr;
}

FrameStep FrameWalker::control_frame(std::span<const uint8_t> bytes, const FrameHeader& header) {
  FrameStep step;
  const auto whole = static_cast<size_t>(header.bytes + header.payload_bytes);
  if (bytes.size() < whole) return step;
  const std::optional<std::span<const uint8_t>> payload = decode_control_frame(bytes.first(whole));
  if (!payload.has_value()) return bad("a control frame that wslay refuses");
  step.kind = FrameStep::Kind::control;
  step.opcode = static_cast<Opcode>(header.opcode);
  step.consumed = whole;
  step.bytes = *payload;
  return step;
}

FrameStep FrameWalker::bad(const char* reason) {
  reason_ = reason;
  FrameStep step;
  step.kind = FrameStep::Kind::bad;
  return step;
}

}  // namespace sluice::load
