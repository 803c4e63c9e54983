// Pattern: what made-up messages consist of. A message's bytes follow from its connection and
// number alone, so that they can be made, and an echo be compared with them, at any offset, without
// keeping them.
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

  // With `text` all bytes are printable ASCII.
  explicit Pattern(bool text) : bytes_(period + run), text_(text) {
    for (size_t i = 0; i < bytes_.size(); ++i) {
      const uint64_t value = mix(i % period) >> 32;
      bytes_[i] = static_cast<uint8_t>(text ? ' ' + value % 95 : value);
    }
  }

  bool text() const { return text_; }

  std::span<const uint8_t> from(uint64_t place, uint64_t most) const {
    const auto size = static_cast<size_t>(std::min<uint64_t>(most, run));
    return {bytes_.data() + place % period, size};
  }

 private:
  std::vector<uint8_t> bytes_;
  bool text_;
};

// One message of a connection. A made-up one has its number in the first 8 bytes where it fits, in
// text as 48 bits of a hash of it, and the pattern behind.
class Message {
 public:
  // Somebody's own bytes, which outlive it.
  Message(std::span<const uint8_t> own, uint64_t connection, uint64_t number)
      : own_(own), payload_bytes_(own.size()) {
    key_ = static_cast<uint32_t>(mix(connection << 40 ^ number) >> 32);
  }
  Message(const Pattern& pattern, uint64_t connection, uint64_t number, uint64_t payload_bytes)
      : pattern_(&pattern), payload_bytes_(payload_bytes) {
    const uint64_t mixed = mix(connection << 40 ^ number);
    start_ = static_cast<uint32_t>(mixed % Pattern::period);
    key_ = static_cast<uint32_t>(mixed >> 32);
    stamped_ = payload_bytes >= sizeof stamp_;
    const uint64_t stamp = connection << 40 ^ number;
    std::memcpy(stamp_, &stamp, sizeof stamp_);
    if (!pattern.text()) return;
    const uint64_t hash = mix(stamp);
    for (size_t i = 0; i < sizeof stamp_; ++i) {
      stamp_[i] = static_cast<uint8_t>('0' + (hash >> 6 * i & 0x3f));
    }
  }

  uint64_t payload_bytes() const { return payload_bytes_; }

  // Bytes of the payload from `offset` on, at least one and as many as lie together; `offset` is
  // within the payload. Good as long as the message.
  std::span<const uint8_t> piece(uint64_t offset) const {
    if (pattern_ == nullptr) return own_.subspan(offset);
    if (stamped_ && offset < sizeof stamp_) return std::span(stamp_).subspan(offset);
    return pattern_->from(start_ + offset, payload_bytes_ - offset);
  }

  uint32_t mask_seed() const { return key_; }

 private:
  const Pattern* pattern_ = nullptr;  // null: own_ is the message
  std::span<const uint8_t> own_;
  uint64_t payload_bytes_;
  uint32_t start_ = 0;
  uint32_t key_;
  uint8_t stamp_[8] = {};
  bool stamped_ = false;
};

}  // namespace sluice::load
