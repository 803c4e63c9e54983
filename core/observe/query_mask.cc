// The doubtful is masked: a value too many is no harm.
#include "core/observe/query_mask.h"

#include <algorithm>

#include "protocol/ascii.h"

namespace sluice {

namespace {

int hex_digit(char byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  const char letter = lower_case(byte);
  return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

std::string decoded_lower_case(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    char byte = text[i];
    if (byte == '%' && i + 2 < text.size()) {
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high >= 0 && low >= 0) {
        byte = static_cast<char>(high * 16 + low);
        i += 2;
      }
    }
    decoded += lower_case(byte);
  }
  return decoded;
}

// Of one parameter, or several between semicolons: where a value begins that is to be masked, or
// npos.
size_t secret_in(std::string_view part, std::span<const std::string> names) {
  for (size_t begin = 0; begin < part.size();) {
    const size_t end = std::min(part.find(';', begin), part.size());
    const size_t equals = part.substr(0, end).find('=', begin);
    if (equals != std::string_view::npos) {
      const std::string name = decoded_lower_case(part.substr(begin, equals - begin));
      if (std::find(names.begin(), names.end(), name) != names.end()) return equals + 1;
    }
    begin = end + 1;
  }
  return std::string_view::npos;
}

}  // namespace

std::string with_masked_query(std::string_view target, std::span<const std::string> names) {
  constexpr std::string_view separators = "?#&";
  size_t at = std::min(target.find_first_of("?#"), target.size());
  std::string shown(target.substr(0, at));
  while (at < target.size()) {
    shown += target[at++];  // the separator
    const size_t end = std::min(target.find_first_of(separators, at), target.size());
    const std::string_view part = target.substr(at, end - at);
    const size_t secret = secret_in(part, names);
    if (secret == std::string_view::npos) {
      shown += part;
    } else {
      shown.append(part.substr(0, secret)).append("***");
    }
    at = end;
  }
  return shown;
}

}  // namespace sluice
