// Stream bytes out of messages, headers and keys.
#include "tests/load/bench_writer.h"

#include <algorithm>
#include <cstring>

#include "tests/load/common_masking.h"

namespace sluice::load {

namespace {

constexpr size_t key_bytes = 4;

}  // namespace

MessageWriter::MessageWriter(const Messages& messages, uint64_t key_seed)
    : messages_(messages), key_seed_(key_seed) {
  const Opcode opcode = messages.text() ? Opcode::text : Opcode::binary;
  for (size_t i = 0; i < messages.cycle(); ++i) {
    Frame frame{cycle_bytes_, 0, {}};
    frame.header_bytes = write_header(opcode, messages.payload_bytes(i), true, frame.header);
    cycle_bytes_ += frame.header_bytes + messages.payload_bytes(i);
    frames_.push_back(frame);
  }
}

uint64_t MessageWriter::begin_of(uint64_t number) const {
  return number / frames_.size() * cycle_bytes_ + frames_[number % frames_.size()].begin;
}

uint64_t MessageWriter::number_at(uint64_t position) const {
  const uint64_t cycles = position / cycle_bytes_;
  if (frames_.size() == 1) return cycles;
  const auto behind =
      std::upper_bound(frames_.begin(), frames_.end(), position % cycle_bytes_,
                       [](uint64_t at, const Frame& frame) { return at < frame.begin; });
  return cycles * frames_.size() + static_cast<uint64_t>(behind - frames_.begin()) - 1;
}

void MessageWriter::write(uint64_t connection, uint64_t position, uint64_t end, Output& out) const {
  uint64_t number = number_at(position);
  while (position < end && out.room() > 0) {
    const Message message = messages_.message(connection, number);
    const Frame& frame = frames_[number % frames_.size()];
    const auto key_word = static_cast<uint32_t>(mix(key_seed_ ^ message.mask_seed()));
    uint8_t header[max_frame_header_bytes];
    std::memcpy(header, frame.header, sizeof header);
    uint8_t* key = header + frame.header_bytes - key_bytes;
    std::memcpy(key, &key_word, key_bytes);

    const uint64_t frame_bytes = frame.header_bytes + message.payload_bytes();
    uint64_t offset = position - begin_of(number);
    const uint64_t begin = offset;
    if (offset < frame.header_bytes) {
      const size_t bytes = std::min<size_t>(frame.header_bytes - offset, out.room());
      out.put({header + offset, bytes});
      offset += bytes;
    }
    while (offset >= frame.header_bytes && offset < frame_bytes && out.room() > 0) {
      const uint64_t at = offset - frame.header_bytes;
      const std::span<const uint8_t> piece = message.piece(at);
      const size_t bytes = std::min(piece.size(), out.room());
      mask_copy(out.extend(bytes), piece.data(), bytes, key, at);
      offset += bytes;
    }
    position += offset - begin;
    if (offset == frame_bytes) ++number;
  }
}

}  // namespace sluice::load
