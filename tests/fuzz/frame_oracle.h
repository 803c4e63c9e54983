// A second opinion on frames: wslay decides about headers, and plain, slow code of RFC 6455's words
// about everything that wslay leaves out. FrameScanner must agree with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "protocol/frames.h"

namespace sluice::fuzz {

struct FrameOpinion {
  size_t accepted = 0;
  FrameScanner::Verdict verdict = FrameScanner::Verdict::good;
  uint16_t code = 1000;          // after `bad`
  uint16_t peer_close_code = 0;  // after `closed`
  size_t changed_at = 0;         // the length byte of a Close that loses its reason's tail; or 0
  uint8_t changed_to = 0;
  uint64_t messages = 0;      // that began in what was accepted
  uint64_t payload_left = 0;  // of the frame in which the accepted bytes end
  uint64_t into_frame = 0;    // of it, accepted
  size_t last_frame_at = 0;   // where the last frame that was begun stands
  bool last_frame_is_close = false;
};

// All of a direction's bytes at once, as they come within one millisecond. `control_limit` false:
// however many control frames there are.
FrameOpinion opinion_on(std::span<const uint8_t> bytes, const FrameRules& rules,
                        bool control_limit = true);

// How many bytes may stand at the beginning of UTF-8; `complete` says whether a text may end there.
size_t utf8_prefix(std::span<const uint8_t> bytes, bool& complete);

// How many bytes of whole characters stand at the beginning.
size_t whole_characters(std::span<const uint8_t> bytes);

// RFC 6455 section 7.4, and the codes that IANA added since.
bool close_code_permitted(uint32_t code);

}  // namespace sluice::fuzz
