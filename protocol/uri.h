// The URIs that sluice meets: a request's target, a Host or authority, and a conf's server URI.
// Parsing only; nothing is decoded, resolved or routed here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "net/result.h"

namespace sluice {

// host[:port] of a Host field or an absolute-form target (RFC 3986 3.2.2, 3.2.3; RFC 9110 7.2).
// Views into the parsed text. `host` of an IPv6 literal keeps its brackets.
struct Authority {
  std::string_view host;
  uint16_t port = 0;  // 0: none was given
};
// Refuses userinfo, an empty host, bytes that no host may hold, a port over 65535.
Result<Authority> parse_authority(std::string_view text);

// A request's target in origin-form or absolute-form (RFC 9112 3.2.1, 3.2.2); views into the text.
struct RequestTarget {
  std::string_view authority;  // absolute-form only, else empty
  std::string_view path;       // begins with '/'; "/" where an absolute-form has none
  std::string_view query;      // with its '?', or empty
};
// Refuses '#', userinfo, dot segments (also as %2e), %2f, %5c, %00, bad %-escapes and bytes that no
// URI may hold, in the path; schemes other than http, https, ws, wss; authority- and asterisk-form.
Result<RequestTarget> parse_request_target(std::string_view text);

// A conf's `server` URI: ws://host:port/path, wss://..., ws://unix:/run/x.sock:/path.
struct ServerUri {
  bool secure = false;
  std::string unix_path;  // "" unless unix
  std::string host;       // without brackets; "localhost" for unix
  uint16_t port = 0;      // 80 or 443 where none was given; 0 for unix
  std::string authority;  // as Host carries it: host[:port], default port left out
  std::string path;       // "" where the URI has none, which differs from "/"
};
Result<ServerUri> parse_server_uri(std::string_view text);

}  // namespace sluice
