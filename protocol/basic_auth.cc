// parse_basic_credentials: strict, so that one field has one reading.
#include "protocol/basic_auth.h"

#include <algorithm>
#include <cstdint>

#include "protocol/ascii.h"

namespace sluice {

namespace {

constexpr std::string_view scheme = "basic ";

int value_of(char byte) {
  if (byte >= 'A' && byte <= 'Z') return byte - 'A';
  if (byte >= 'a' && byte <= 'z') return byte - 'a' + 26;
  if (byte >= '0' && byte <= '9') return byte - '0' + 52;
  if (byte == '+') return 62;
  return byte == '/' ? 63 : -1;
}

// Bits behind the last whole byte must be 0.
std::optional<std::string> from_base64(std::string_view text) {
  const size_t digits = text.find_last_not_of('=') + 1;  // 0 where there is none
  const size_t padding = text.size() - digits;
  if (digits % 4 == 1 || padding > 2 || (padding > 0 && text.size() % 4 != 0)) return std::nullopt;
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char digit : text.substr(0, digits)) {
    const int value = value_of(digit);
    if (value < 0) return std::nullopt;
    bits = (bits << 6 | static_cast<uint32_t>(value)) & 0xffff;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count & 0xff);
  }
  if ((bits & ((1u << count) - 1)) != 0) return std::nullopt;
  return bytes;
}

bool is_control(char byte) {
  return static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f;
}

}  // namespace

std::optional<BasicCredentials> parse_basic_credentials(std::string_view field) {
  if (field.size() <= scheme.size() || lower_case(field.substr(0, scheme.size())) != scheme) {
    return std::nullopt;
  }
  field.remove_prefix(std::min(field.find_first_not_of(' ', scheme.size()), field.size()));
  const std::optional<std::string> told = from_base64(field);
  if (!told || std::any_of(told->begin(), told->end(), is_control)) return std::nullopt;
  const size_t colon = told->find(':');
  if (colon == std::string::npos) return std::nullopt;
  return BasicCredentials{told->substr(0, colon), told->substr(colon + 1)};
}

}  // namespace sluice
