// Pattern: what messages consist of. A message's bytes follow from its connection and number alone,
// so that they can be made, and an echo be compared with them, at any offset, without keeping them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace sluice::load {

// Spreads a number over 64 bits (splitmix64); for patterns and mask keys, not for secrets.
inline uint64_t mix(uint64_t value) {
  value += 0x9e3779b97f4a7c15u;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}

// Bytes without a short period, read from any place on. Immutable; shared by all threads.
class Pattern {
 public:
  // A prime: a chunk that is lost, doubled or moved by a power of two does not fit unnoticed.
  static constexpr size_t period = 65521;
  static constexpr size_t run = 16 * 1024;  // what can be read in one piece from anywhere

  Pattern() : bytes_(period + run) {
    for (size_t i = 0; i < bytes_.size(); ++i) {
      bytes_[i] = static_cast<uint8_t>(mix(i % period) >> 32);
    }
  }

  std::span<const uint8_t> from(uint64_t place, uint64_t most) const {
    const auto size = static_cast<size_t>(std::min<uint64_t>(most, run));
    return {bytes_.data() + place % period, size};
  }

 private:
  std::vector<uint8_t> bytes_;
};

// One message of a connection: its number in the first 8 bytes where it fits, the pattern behind.
class Message {
 public:
  Message(const Pattern& pattern, uint64_t connection, uint64_t number, uint64_t payload_bytes)
      : pattern_(pattern), payload_bytes_(payload_bytes) {
    const uint64_t mixed = mix(connection << 40 ^ number);
    start_ = static_cast<uint32_t>(mixed % Pattern::period);
    key_ = static_cast<uint32_t>(mixed >> 32);
    stamped_ = payload_bytes >= sizeof stamp_;
    const uint64_t stamp = connection << 40 ^ number;
    std::memcpy(stamp_, &stamp, sizeof stamp_);
  }

  // Bytes of the payload from `offset` on, at least one and as many as lie together; `offset` is
  // within the payload. Good as long as the message.
  std::span<const uint8_t> piece(uint64_t offset) const {
    if (stamped_ && offset < sizeof stamp_) return std::span(stamp_).subspan(offset);
    return pattern_.from(start_ + offset, payload_bytes_ - offset);
  }

  uint32_t mask_seed() const { return key_; }

 private:
  const Pattern& pattern_;
  uint64_t payload_bytes_;
  uint32_t start_;
  uint32_t key_;
  uint8_t stamp_[8];
  bool stamped_;
};

}  // namespace sluice::load
