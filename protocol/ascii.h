// Letters without case, in ASCII alone: names of fields, hosts and directives. What the process's
// locale calls a letter changes nothing on the wire.
#pragma once

#include <string>
#include <string_view>

namespace sluice {

constexpr char lower_case(char byte) {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + ('a' - 'A')) : byte;
}

inline std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& byte : lower) byte = lower_case(byte);
  return lower;
}

}  // namespace sluice
