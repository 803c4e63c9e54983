// Stream bytes out of pattern, header and key.
#include "tests/load/bench_writer.h"

#include <algorithm>
#include <cstring>

#include "tests/load/common_masking.h"

namespace sluice::load {

namespace {

constexpr size_t key_bytes = 4;

}  // namespace

MessageWriter::MessageWriter(const Pattern& pattern, uint64_t payload_bytes, uint64_t key_seed)
    : pattern_(pattern),
      payload_bytes_(payload_bytes),
      key_seed_(key_seed),
      header_bytes_(write_header(Opcode::binary, payload_bytes, true, header_)) {
  frame_bytes_ = header_bytes_ + payload_bytes;
}

void MessageWriter::write(uint64_t connection, uint64_t position, uint64_t end, Output& out) const {
  while (position < end && out.room() > 0) {
    const Message message(pattern_, connection, position / frame_bytes_, payload_bytes_);
    const auto key_word = static_cast<uint32_t>(mix(key_seed_ ^ message.mask_seed()));
    uint8_t header[max_frame_header_bytes];
    std::memcpy(header, header_, sizeof header);
    uint8_t* key = header + header_bytes_ - key_bytes;
    std::memcpy(key, &key_word, key_bytes);

    uint64_t offset = position % frame_bytes_;
    const uint64_t begin = offset;
    if (offset < header_bytes_) {
      const size_t bytes = std::min<size_t>(header_bytes_ - offset, out.room());
      out.put({header + offset, bytes});
      offset += bytes;
    }
    while (offset >= header_bytes_ && offset < frame_bytes_ && out.room() > 0) {
      const uint64_t at = offset - header_bytes_;
      const std::span<const uint8_t> piece = message.piece(at);
      const size_t bytes = std::min(piece.size(), out.room());
      mask_copy(out.extend(bytes), piece.data(), bytes, key, at);
      offset += bytes;
    }
    position += offset - begin;
  }
}

}  // namespace sluice::load
