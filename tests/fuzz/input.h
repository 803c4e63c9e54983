// What every fuzz target needs: choices taken from the front of an input, and bytes cut into pieces
// the way a network may cut them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace sluice::fuzz {

// Views into the bytes that libFuzzer gave; at their end every choice is 0.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(data, size) {}

  uint8_t byte() {
    if (rest_.empty()) return 0;
    const uint8_t first = rest_[0];
    rest_ = rest_.subspan(1);
    return first;
  }
  // At most so many bytes.
  std::span<const uint8_t> bytes(size_t most) {
    const std::span<const uint8_t> taken = rest_.first(std::min(most, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  std::span<const uint8_t> rest() { return bytes(rest_.size()); }
  bool empty() const { return rest_.empty(); }

 private:
  std::span<const uint8_t> rest_;
};

inline std::string_view text_of(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// Sizes of pieces, by one byte of the input: 0 is everything at once, 1 byte by byte, others pieces
// of pseudo-random sizes.
class Cut {
 public:
  explicit Cut(uint8_t kind) : kind_(kind), state_(kind * 2654435761u + 1) {}

  // Of so many bytes that are left; at least 1.
  size_t next(size_t left) {
    if (kind_ == 0 || left == 0) return left;
    if (kind_ == 1) return 1;
    state_ ^= state_ << 13;
    state_ ^= state_ >> 17;
    state_ ^= state_ << 5;
    const uint32_t most = (state_ & 0x300) == 0 ? 200 : 1 + kind_ % 16;
    return std::min<size_t>(left, 1 + (state_ >> 12) % most);
  }

 private:
  uint8_t kind_;
  uint32_t state_;
};

// The splits that every property is asked about: whole, byte by byte, and the input's own.
inline constexpr size_t splits = 3;
inline uint8_t split_kind(size_t index, uint8_t own) {
  return index < 2 ? static_cast<uint8_t>(index) : own;
}

}  // namespace sluice::fuzz
