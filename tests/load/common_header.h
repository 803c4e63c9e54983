// Frame headers as wslay makes and judges them, without payload passing through it. Continuation
// order, reserved values and mask direction are the walker's (common_walker.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "protocol/frame_codec.h"

namespace sluice::load {

struct FrameHeader {
  uint64_t payload_bytes = 0;
  uint8_t bytes = 0;  // of the header itself, 2 to 14
  uint8_t reserved_bits = 0;
  uint8_t opcode = 0;  // 0 to 15, reserved ones too
  bool fin = false;
  bool masked = false;
};

enum class HeaderVerdict : uint8_t { more, good, bad };

// Reads the header at the beginning of `bytes`; `more` where it is not whole. wslay's answers are
// remembered per thread by the header's bytes, because asking costs an allocation of 4 KiB.
HeaderVerdict read_header(std::span<const uint8_t> bytes, FrameHeader& header);

// Writes the header of a data frame and returns its size. With `masked` its last four bytes, the
// key, are zero: the caller's to fill in.
size_t write_header(Opcode opcode, uint64_t payload_bytes, bool masked,
                    uint8_t out[max_frame_header_bytes]);

}  // namespace sluice::load
