// Masking of payload (RFC 6455 5.3), eight bytes at a time and more where the compiler vectorizes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sluice::load {

// Writes in[i] ^ key[(offset + i) % 4] to out; `offset` is in[0]'s place in the frame's payload.
// The two do not overlap. Masking and unmasking are the same.
inline void mask_copy(uint8_t* __restrict out, const uint8_t* __restrict in, size_t bytes,
                      const uint8_t key[4], uint64_t offset) {
  uint8_t turned[8];
  for (size_t i = 0; i < sizeof turned; ++i) turned[i] = key[(offset + i) % 4];
  uint64_t key_word;
  std::memcpy(&key_word, turned, sizeof key_word);

  size_t done = 0;
  for (; done + sizeof key_word <= bytes; done += sizeof key_word) {
    uint64_t word;
    std::memcpy(&word, in + done, sizeof word);
    word ^= key_word;
    std::memcpy(out + done, &word, sizeof word);
  }
  for (; done < bytes; ++done) out[done] = static_cast<uint8_t>(in[done] ^ turned[done % 8]);
}

}  // namespace sluice::load
