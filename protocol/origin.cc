// parse_origin: what parse_authority() takes behind a scheme, and nothing behind that.
#include "protocol/origin.h"

#include <algorithm>

#include "protocol/ascii.h"
#include "protocol/uri.h"

namespace sluice {

namespace {

constexpr std::string_view behind_scheme = "://";

// RFC 3986 3.1.
bool is_scheme(std::string_view text) {
  const auto is_letter = [](char byte) { return byte >= 'a' && byte <= 'z'; };
  const auto may_follow = [&](char byte) {
    return is_letter(byte) || (byte >= '0' && byte <= '9') || byte == '+' || byte == '-' ||
           byte == '.';
  };
  return !text.empty() && is_letter(text.front()) &&
         std::all_of(text.begin(), text.end(), may_follow);
}

}  // namespace

uint16_t default_port(std::string_view scheme) {
  if (scheme == "http") return 80;
  return scheme == "https" ? 443 : 0;
}

std::optional<Origin> parse_origin(std::string_view text) {
  const size_t end = text.find(behind_scheme);
  if (end == std::string_view::npos) return std::nullopt;
  Origin origin;
  origin.scheme = lower_case(text.substr(0, end));
  if (!is_scheme(origin.scheme)) return std::nullopt;
  const Result<Authority> authority = parse_authority(text.substr(end + behind_scheme.size()));
  if (!authority.ok()) return std::nullopt;
  origin.host = lower_case(authority.value().host);
  origin.port = authority.value().port;
  if (origin.port == 0) origin.port = default_port(origin.scheme);
  return origin;
}

}  // namespace sluice
