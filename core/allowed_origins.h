// AllowedOrigins: from which pages the WebSockets of a route may be opened, as its conf says it.
#pragma once

#include <string_view>
#include <vector>

#include "protocol/origin.h"

namespace sluice {

struct OriginPattern {
  // Without a scheme it is http's and https's. With port 0 it is the scheme's own port.
  Origin origin;
  bool below = false;  // "*.example.org": every host below that one, not the host itself

  bool operator==(const OriginPattern&) const = default;
  bool takes(const Origin& page) const;
};

// A browser sends Origin with each handshake and a page cannot change it; other clients say what
// they like. So it protects users from foreign pages, and nobody from other clients (RFC 6455
// 10.2).
struct AllowedOrigins {
  std::vector<OriginPattern> patterns;
  bool same_origin = false;  // pages of the host, port and scheme that are asked
  bool null = false;         // pages that have none: of files, and in sandboxed frames
  bool all = false;          // whichever page; the conf says so

  bool operator==(const AllowedOrigins&) const = default;
  // The conf has said something.
  bool given() const { return all || null || same_origin || !patterns.empty(); }
  // `field` is the Origin field's value; `own` is what the request asks for, as a page has it.
  bool allow(std::string_view field, const Origin& own) const;
};

}  // namespace sluice
