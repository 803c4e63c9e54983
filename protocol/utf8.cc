// Utf8Validator: a byte at a time where characters take several bytes, 32 or 8 at a time over
// ASCII.
#include "protocol/utf8.h"

#include <array>
#include <bit>
#include <cstring>

namespace sluice {
namespace {

// Inside a character the state holds how many bytes are missing and the range that the next one
// must lie in. Only the second byte's range depends on the first (RFC 3629 section 4); that alone
// shuts out overlong forms, surrogates and what lies above U+10FFFF.
constexpr uint32_t between_characters = 0;
constexpr uint32_t refused = UINT32_MAX;

constexpr uint32_t expecting(uint32_t missing, uint32_t lowest, uint32_t highest) {
  return missing | lowest << 8 | highest << 16;
}
constexpr uint32_t missing_in(uint32_t state) {
  return state & 0xff;
}
constexpr uint32_t lowest_in(uint32_t state) {
  return state >> 8 & 0xff;
}
constexpr uint32_t highest_in(uint32_t state) {
  return state >> 16;
}

constexpr uint32_t after_first_byte(uint32_t byte) {
  if (byte < 0x80) return between_characters;
  if (byte < 0xc2) return refused;  // a continuation byte, or an overlong form of ASCII
  if (byte < 0xe0) return expecting(1, 0x80, 0xbf);
  if (byte == 0xe0) return expecting(2, 0xa0, 0xbf);  // below is overlong
  if (byte == 0xed) return expecting(2, 0x80, 0x9f);  // above are surrogates
  if (byte < 0xf0) return expecting(2, 0x80, 0xbf);
  if (byte == 0xf0) return expecting(3, 0x90, 0xbf);  // below is overlong
  if (byte < 0xf4) return expecting(3, 0x80, 0xbf);
  if (byte == 0xf4) return expecting(3, 0x80, 0x8f);  // above is beyond U+10FFFF
  return refused;
}

constexpr auto first_byte_states = [] {
  std::array<uint32_t, 256> states{};
  for (uint32_t byte = 0; byte < states.size(); ++byte) states[byte] = after_first_byte(byte);
  return states;
}();

inline uint32_t after_byte(uint32_t state, uint8_t byte) {
  if (state == between_characters) return first_byte_states[byte];
  if (byte < lowest_in(state) || byte > highest_in(state)) return refused;
  const uint32_t missing = missing_in(state) - 1;
  return missing == 0 ? between_characters : expecting(missing, 0x80, 0xbf);
}

inline uint64_t load_word(const uint8_t* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

// The key as a word that masks bytes[at] to bytes[at + 7], from the one that masks bytes[0]
// onwards.
inline uint64_t turned_to(uint64_t key, size_t at) {
  const int bits = static_cast<int>(at % 4) * 8;
  return std::endian::native == std::endian::little ? std::rotr(key, bits) : std::rotl(key, bits);
}

constexpr uint64_t high_bits = 0x8080808080808080;

// How many bytes from the beginning are ASCII once XORed with the key, counted in whole words. A
// key that is turned to the first byte fits every word, since 8 is a multiple of its length.
inline size_t ascii_words(const uint8_t* bytes, size_t size, uint64_t key) {
  size_t at = 0;
  for (; size - at >= 32; at += 32) {
    const uint8_t* block = bytes + at;
    const uint64_t seen = (load_word(block) ^ key) | (load_word(block + 8) ^ key) |
                          (load_word(block + 16) ^ key) | (load_word(block + 24) ^ key);
    if ((seen & high_bits) != 0) break;
  }
  for (; size - at >= 8; at += 8) {
    if (((load_word(bytes + at) ^ key) & high_bits) != 0) break;
  }
  return at;
}

// Four bytes, unmasked with a key that is turned to them, the first one uppermost.
inline uint32_t load_ordered(const uint8_t* bytes, uint64_t key) {
  uint32_t word;
  std::memcpy(&word, bytes, sizeof word);
  word ^= static_cast<uint32_t>(key);  // its halves are alike
  return std::endian::native == std::endian::little ? __builtin_bswap32(word) : word;
}

// The size of the valid character of two or three bytes that `bytes`, first one uppermost, begin
// with; 0 where they begin otherwise and want a look one by one. Text in most languages is such
// characters.
inline size_t common_character_bytes(uint32_t bytes) {
  if ((bytes & 0xe0c00000) == 0xc0800000) return bytes >= 0xc2000000 ? 2 : 0;
  if ((bytes & 0xf0c0c000) != 0xe0808000) return 0;
  // The five uppermost of the character's bits: 0 is overlong, 11011 begins the surrogates.
  const uint32_t uppermost = bytes & 0x0f200000;
  return uppermost != 0 && uppermost != 0x0d200000 ? 3 : 0;
}

}  // namespace

size_t Utf8Validator::feed(std::span<const uint8_t> bytes) {
  // XOR with nothing costs nothing beside the loads, so plain text needs no loop of its own.
  const uint8_t no_key[4] = {};
  return feed_masked(bytes, no_key, 0);
}

size_t Utf8Validator::feed_masked(std::span<const uint8_t> bytes, const uint8_t key[4],
                                  uint64_t offset) {
  uint8_t pattern[8];  // pattern[i % 8] masks bytes[i]
  for (size_t i = 0; i < sizeof pattern; ++i) pattern[i] = key[(offset + i) % 4];
  const uint64_t key_word = load_word(pattern);

  const uint8_t* const data = bytes.data();
  const size_t size = bytes.size();
  uint32_t state = state_;
  size_t at = 0;
  while (at < size) {
    const uint8_t byte = data[at] ^ pattern[at % 8];
    if (state == between_characters && byte < 0x80) {
      const size_t skipped = ascii_words(data + at, size - at, turned_to(key_word, at));
      at += skipped == 0 ? 1 : skipped;
      continue;
    }
    if (state == between_characters && size - at >= 4) {
      const size_t taken = common_character_bytes(load_ordered(data + at, turned_to(key_word, at)));
      at += taken;
      if (taken != 0) continue;
    }
    const uint32_t next = after_byte(state, byte);
    if (next == refused) break;
    state = next;
    ++at;
  }
  state_ = state;
  return at;
}

size_t utf8_whole_bytes(std::span<const uint8_t> bytes) {
  Utf8Validator validator;
  size_t whole = validator.feed(bytes);
  if (validator.complete()) return whole;
  while ((bytes[whole - 1] & 0xc0) == 0x80) --whole;
  return whole - 1;  // the first byte of the character that is not whole
}

}  // namespace sluice
