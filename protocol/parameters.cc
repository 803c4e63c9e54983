// Undoes escapes once: what comes of it is not looked at again.
#include "protocol/parameters.h"

namespace sluice {

namespace {

// Of one hex digit; -1 where it is none.
int value_of_digit(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

}  // namespace

std::string decoded_parameter(std::string_view spelled) {
  std::string decoded;
  decoded.reserve(spelled.size());
  for (size_t at = 0; at < spelled.size(); ++at) {
    if (spelled[at] == '+') {
      decoded += ' ';
      continue;
    }
    const bool room = spelled[at] == '%' && spelled.size() - at > 2;
    const int high = room ? value_of_digit(spelled[at + 1]) : -1;
    const int low = room ? value_of_digit(spelled[at + 2]) : -1;
    if (high < 0 || low < 0) {
      decoded += spelled[at];
      continue;
    }
    decoded += static_cast<char>(high * 16 + low);
    at += 2;
  }
  return decoded;
}

}  // namespace sluice
