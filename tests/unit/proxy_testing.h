// PROXY headers of version 2 as tests write them, with a checksum of their own making.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "protocol/proxy_protocol.h"

namespace sluice::testing {

inline std::string bytes_of_hex(const std::string& text) {
  std::string digits;
  for (const char each : text) {
    if (each != ' ') digits += each;
  }
  std::string bytes;
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

inline std::string two_bytes(size_t value) {
  return {static_cast<char>(value >> 8 & 0xff), static_cast<char>(value & 0xff)};
}

inline std::string proxy_tlv(uint8_t type, const std::string& value) {
  return std::string(1, static_cast<char>(type)) + two_bytes(value.size()) + value;
}

// `behind`: addresses and TLVs.
inline std::string proxy_v2(uint8_t version_and_command, uint8_t family,
                            const std::string& behind) {
  return std::string("\r\n\r\n\0\r\nQUIT\n", 12) + static_cast<char>(version_and_command) +
         static_cast<char>(family) + two_bytes(behind.size()) + behind;
}

// Bit by bit, as RFC 4960 appendix B defines it.
inline uint32_t crc32c(const std::string& bytes) {
  uint32_t value = ~0u;
  for (const char each : bytes) {
    value ^= static_cast<uint8_t>(each);
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ ((value & 1) * 0x82f63b78u);
  }
  return ~value;
}

// The same with a checksum behind the rest.
inline std::string with_crc32c(uint8_t version_and_command, uint8_t family,
                               const std::string& behind) {
  std::string header =
      proxy_v2(version_and_command, family, behind + proxy_tlv(0x03, std::string(4, '\0')));
  const uint32_t value = crc32c(header);
  header.resize(header.size() - 4);
  return header + two_bytes(value >> 16) + two_bytes(value & 0xffff);
}

inline ProxyParse parse_proxy(const std::string& bytes) {
  return parse_proxy_header(
      std::span(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
}

}  // namespace sluice::testing
