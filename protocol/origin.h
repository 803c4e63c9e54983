// Origin: who a page is, as a browser tells it of each WebSocket that the page opens (RFC 6454 6.2,
// RFC 6455 10.2).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice {

struct Origin {
  std::string scheme;  // lower case
  std::string host;    // the same; brackets kept
  uint16_t port = 0;   // without one the scheme's own; 0 where that has none

  bool operator==(const Origin&) const = default;
};

// The port that a scheme has where none is named: 80 of http, 443 of https, else 0.
uint16_t default_port(std::string_view scheme);

// An origin as browsers write it, "https://example.org:8443" or "chrome-extension://id". Nothing
// for all else: "null", several of them, a path behind it, userinfo.
std::optional<Origin> parse_origin(std::string_view text);

}  // namespace sluice
