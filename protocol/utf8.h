// Utf8Validator: streaming UTF-8 validation (RFC 3629), over plain or masked bytes, without
// changing or copying them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice {

// A four-byte value; one per direction that validates.
class Utf8Validator {
 public:
  // Returns how many bytes are good: bytes.size(), or the offset of the first byte that can no
  // longer become valid UTF-8 (fail-fast, as RFC 6455 section 8.1 permits). After such a byte the
  // validator stands where it stood before it: reset() it, or drop it.
  size_t feed(std::span<const uint8_t> bytes);
  // The same for payload masked with `key` in wire order, where bytes[0] is payload byte `offset`.
  // Unmasks into registers, at least 8 bytes at a time for ASCII.
  size_t feed_masked(std::span<const uint8_t> bytes, const uint8_t key[4], uint64_t offset);

  // True where a message may end here: no character is incomplete.
  bool complete() const { return state_ == 0; }
  void reset() { state_ = 0; }

 private:
  // 0 between characters; else what the rest of the character must be, see utf8.cc.
  uint32_t state_ = 0;
};

// How many bytes from the beginning are whole characters: all of them where the text is UTF-8.
size_t utf8_whole_bytes(std::span<const uint8_t> bytes);

}  // namespace sluice
