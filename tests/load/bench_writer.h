// MessageWriter: the bytes that a connection sends, all its messages one behind the other, made for
// any place in that stream: what the kernel did not take is made again, not kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/load/bench_messages.h"
#include "tests/load/common_header.h"
#include "tests/load/common_output.h"

namespace sluice::load {

// Immutable; one per thread. The messages outlive it. Every message is one masked frame.
class MessageWriter {
 public:
  MessageWriter(const Messages& messages, uint64_t key_seed);

  // Where a message's frame begins in the stream, and which message has the byte at a place.
  uint64_t begin_of(uint64_t number) const;
  uint64_t number_at(uint64_t position) const;
  bool at_boundary(uint64_t position) const { return begin_of(number_at(position)) == position; }

  // Fills `out` with the stream's bytes from `position` up to `end`, as far as there is room.
  void write(uint64_t connection, uint64_t position, uint64_t end, Output& out) const;

 private:
  struct Frame {
    uint64_t begin;  // in its cycle
    size_t header_bytes;
    uint8_t header[max_frame_header_bytes];  // with a key of zero
  };

  const Messages& messages_;
  uint64_t key_seed_;
  uint64_t cycle_bytes_ = 0;
  std::vector<Frame> frames_;  // of one cycle
};

}  // namespace sluice::load
