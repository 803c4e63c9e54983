// What the tests of FrameScanner share: frames as each peer sends them, and ways to offer them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "protocol/frames.h"

namespace sluice::testing {

using Bytes = std::vector<uint8_t>;
using Verdict = FrameScanner::Verdict;

inline void append(Bytes& bytes, const Bytes& more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

// Writes frames as the one who sends them does: clients mask, upstreams do not.
struct Peer {
  bool masks;

  // A header whose length field says what it is told to, and payload of any other size.
  Bytes damaged(int first, int length, const Bytes& extended, std::string_view payload,
                uint32_t key = 0x37fa219d) const {
    Bytes bytes{static_cast<uint8_t>(first), static_cast<uint8_t>(length | (masks ? 0x80 : 0))};
    append(bytes, extended);
    uint8_t pad[4] = {};
    for (int i = 0; masks && i < 4; ++i) {
      pad[i] = static_cast<uint8_t>(key >> (24 - 8 * i));
      bytes.push_back(pad[i]);
    }
    for (size_t i = 0; i < payload.size(); ++i) {
      bytes.push_back(static_cast<uint8_t>(payload[i] ^ pad[i % 4]));
    }
    return bytes;
  }

  Bytes frame(int first, std::string_view payload, uint32_t key = 0x37fa219d) const {
    const uint64_t size = payload.size();
    if (size < 126) return damaged(first, static_cast<int>(size), {}, payload, key);
    const size_t length_bytes = size < 65536 ? 2 : 8;
    return damaged(first, length_bytes == 2 ? 126 : 127, number(size, length_bytes), payload, key);
  }

  static Bytes number(uint64_t value, size_t size) {
    Bytes bytes(size);
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(value >> 8 * (size - 1 - i));
    return bytes;
  }

  FrameRules rules() const {
    FrameRules rules;
    rules.expect_masked = masks;
    return rules;
  }
};

inline constexpr Peer peers[] = {{true}, {false}};

inline FrameScanner::Scan scan(FrameScanner& scanner, const Bytes& bytes, const FrameRules& rules,
                               uint32_t now_ms = 0) {
  return scanner.scan(bytes, rules, now_ms);
}

inline bool passes(FrameScanner& scanner, const Bytes& bytes, const FrameRules& rules,
                   uint32_t now_ms = 0) {
  const auto seen = scan(scanner, bytes, rules, now_ms);
  return seen.verdict == Verdict::good && seen.accepted == bytes.size() && scanner.at_boundary();
}

inline std::string close_payload(uint16_t code, std::string_view reason = "") {
  return std::string{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)}.append(reason);
}

// Offers byte after byte, what was not accepted again with the next one behind it.
inline FrameScanner::Scan scan_bytewise(FrameScanner& scanner, const Bytes& bytes,
                                        const FrameRules& rules) {
  FrameScanner::Scan sum;
  Bytes pending;  // exactly what is offered, so that the sanitizer sees a look past its end
  for (const uint8_t byte : bytes) {
    pending.push_back(byte);
    pending.shrink_to_fit();
    const auto seen = scan(scanner, pending, rules);
    pending.erase(pending.begin(), pending.begin() + static_cast<ptrdiff_t>(seen.accepted));
    if (seen.verdict != Verdict::good) pending.clear();  // final: more would only pile up
    sum.accepted += seen.accepted;
    sum.verdict = seen.verdict;
  }
  return sum;
}

}  // namespace sluice::testing
