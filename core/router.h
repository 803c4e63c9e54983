// Router: which route a request takes. Routes are tried in file order, the first match wins
// (core/DESIGN.md section 5).
#pragma once

#include <string>
#include <string_view>

#include "core/config.h"
#include "protocol/head.h"

namespace sluice {

// What routes look at in a request; all views and pointers outlive the call.
struct RouteRequest {
  std::string_view host;   // without port, in any case
  std::string_view path;   // of the target, as it came; matched in its normal form, with case
  std::string_view query;  // with its '?', or empty
  std::string_view method;
  const Head* head = nullptr;
  const Address* client = nullptr;    // who it is taken for
  const Address* listener = nullptr;  // as the conf has it
};

// The route that a request takes; null where none matches: the client gets 404.
struct RouteChoice {
  const RouteConfig* route = nullptr;
  // The path's two readings (protocol/uri.h) take different routes: whatever one of them is meant
  // to forbid could be had by the other, so the client gets 400.
  bool ambiguous = false;
};
RouteChoice find_route(const Config& config, const RouteRequest& request);

// Why that route is not taken, in words of the conf and the request's host; "" where it could be.
// Values of fields, parameters and cookies are not told.
std::string why_not(const RouteConfig& route, const RouteRequest& request);

// True where `path` is `prefix` or lies under it; "/" takes everything.
bool path_is_under(std::string_view path, std::string_view prefix);

// The target that goes upstream: the path unchanged for a server URI without a path, else the
// server's path and what stands under the route, spelled as it came and joined by exactly one '/';
// then `query`, which keeps its '?'. With `strip_path` a URI without a path counts as one with "/".
// `path` takes the route of which `route_path` is the prefix.
std::string upstream_target(const ServerUri& server, std::string_view route_path,
                            std::string_view path, std::string_view query, bool strip_path = false);

// What rewrite_path makes of a path, which it sees in its normal form; "" where it leaves it alone.
// It may be no path: a Fault then, as parse_request_target() has it.
Result<std::string> rewritten_path(const RouteConfig& route, std::string_view path);

}  // namespace sluice
