// FrameWalker: walks over received frames step by step and holds their sender to RFC 6455 section
// 5. It keeps no bytes; what to do with them is the caller's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "protocol/frame_codec.h"
#include "tests/load/common_header.h"

namespace sluice::load {

// What lies at the beginning of the bytes that next() was given.
struct FrameStep {
  enum class Kind : uint8_t {
    more,     // an incomplete header or control frame: offer it again with more behind it
    header,   // of a data frame: `bytes` is the header as it came
    payload,  // of a data frame: `bytes` is as it came (masked, if it is), see key() and `offset`
    control,  // a whole control frame: `bytes` is its payload, unmasked, good until the next step
    bad,      // reason() says what is wrong; the walker is of no use any more
  };

  Kind kind = Kind::more;
  Opcode opcode = Opcode::continuation;  // of header and control
  size_t consumed = 0;
  uint64_t offset = 0;  // of payload: its place in the frame's payload
  std::span<const uint8_t> bytes;
};

// A small value, one per connection.
class FrameWalker {
 public:
  // What a step may leave behind under `more`: a control frame but for its last byte.
  static constexpr size_t most_left_bytes = max_control_frame_bytes - 1;

  explicit FrameWalker(bool expect_masked) : expect_masked_(expect_masked) {}

  FrameStep next(std::span<const uint8_t> bytes);

  // After a header or payload step: the frame, or the whole message, ends here.
  bool at_frame_end() const { return payload_left_ == 0; }
  bool at_message_end() const { return payload_left_ == 0 && !in_message_; }
  const uint8_t* key() const { return key_; }
  const char* reason() const { return reason_; }  // static text

 private:
  const char* find_fault(const FrameHeader& header) const;
  FrameStep control_frame(std::span<const uint8_t> bytes, const FrameHeader& header);
  FrameStep bad(const char* reason);

  uint64_t payload_left_ = 0;
  uint64_t offset_ = 0;  // in the current frame's payload
  const char* reason_ = "";
  uint8_t key_[4] = {};
  bool expect_masked_;
  bool in_message_ = false;  // the final frame of the open message did not begin yet
};

}  // namespace sluice::load
