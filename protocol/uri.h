// The URIs that sluice meets: a request's target, a Host or authority, and a conf's server URI.
// Nothing is resolved or routed here; what travels on stays spelled as it came.
#pragma once

#include <cstddef>
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
// Refuses '#', userinfo, dot segments in either reading of the path (below; "..;x" is one, since
// servers that know path parameters drop them first), %00, bad %-escapes and bytes that no URI may
// hold but '\\', in the path; schemes other than http, https, ws, wss; authority- and
// asterisk-form.
Result<RequestTarget> parse_request_target(std::string_view text);

// The two readings of a path that parse_request_target let pass. This one is its normal form
// (RFC 3986 6.2.2.1, 6.2.2.2): escapes of unreserved bytes undone, other escapes in upper case.
std::string normal_path(std::string_view path);
// This one is how a server reads it that undoes every escape, takes a backslash for a slash, and
// several slashes for one.
std::string decoded_path(std::string_view path);
// How many of the path's first bytes spell the first `normal_bytes` of its normal form.
size_t spelled_bytes(std::string_view path, size_t normal_bytes);

// A conf's `server` URI: ws://host:port/path, wss://..., ws://unix:/run/x.sock:/path, and
// srv+ws://_ws._tcp.example.org/path, whose hosts and ports SRV records name (RFC 2782). http:// is
// ws://, and https:// is wss://: they are dialled alike (RFC 6455 4.1).
struct ServerUri {
  bool secure = false;
  std::string unix_path;  // "" unless unix
  std::string service;    // the name that is asked for SRV records, lower case; "": none is
  // Without brackets; "localhost" for unix; of a service the domain that it is of, since nothing
  // but the conf vouches for the names in its records (RFC 6125 6.5.1).
  std::string host;
  uint16_t port = 0;      // 80 or 443 where none was given; 0 for unix and for a service
  std::string authority;  // as Host carries it: host[:port], default port left out
  std::string path;       // "" where the URI has none, which differs from "/"

  bool operator==(const ServerUri&) const = default;
};
Result<ServerUri> parse_server_uri(std::string_view text);
// A text that parse_server_uri() makes the same URI of, with ws:// or wss://.
std::string text_of(const ServerUri& uri);

}  // namespace sluice
