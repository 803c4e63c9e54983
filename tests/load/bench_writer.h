// MessageWriter: the bytes that a connection sends, all its messages one behind the other, made for
// any place in that stream: what the kernel did not take is made again, not kept.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tests/load/bench_pattern.h"
#include "tests/load/common_header.h"
#include "tests/load/common_output.h"

namespace sluice::load {

// Immutable; one per thread. The pattern outlives it.
class MessageWriter {
 public:
  MessageWriter(const Pattern& pattern, uint64_t payload_bytes, uint64_t key_seed);

  // Every message is one masked frame of this size.
  uint64_t frame_bytes() const { return frame_bytes_; }

  // Fills `out` with the stream's bytes from `position` up to `end`, as far as there is room.
  void write(uint64_t connection, uint64_t position, uint64_t end, Output& out) const;

 private:
  const Pattern& pattern_;
  uint64_t payload_bytes_;
  uint64_t key_seed_;
  uint64_t frame_bytes_;
  size_t header_bytes_;
  uint8_t header_[max_frame_header_bytes];  // with a key of zero
};

}  // namespace sluice::load
