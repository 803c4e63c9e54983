// Router: which route a request takes. Routes are tried in file order, the first match wins
// (core/DESIGN.md section 5).
#pragma once

#include <string>
#include <string_view>

#include "core/config.h"
#include "protocol/head.h"

namespace sluice {

// The route that a request takes; null where none matches: the client gets 404.
struct RouteChoice {
  const RouteConfig* route = nullptr;
  // The path's two readings (protocol/uri.h) take different routes: whatever one of them is meant
  // to forbid could be had by the other, so the client gets 400.
  bool ambiguous = false;
};
// `host` is the request's host without port, in any case; `path` is the target's path as it came.
// It is matched in its normal form, case-sensitive.
RouteChoice find_route(const Config& config, std::string_view host, std::string_view path,
                       const Head& request);

// Why that route is not taken, in words of the conf and the request's host; "" where it could be.
// Values of fields are not told.
std::string why_not(const RouteConfig& route, std::string_view host, std::string_view path,
                    const Head& request);

// True where `path` is `prefix` or lies under it; "/" takes everything.
bool path_is_under(std::string_view path, std::string_view prefix);

// The target that goes upstream: the path unchanged for a server URI without a path, else the
// server's path and what stands under the route, spelled as it came and joined by exactly one '/';
// then `query`, which keeps its '?'. `path` takes the route of `route_path`.
std::string upstream_target(const ServerUri& server, std::string_view route_path,
                            std::string_view path, std::string_view query);

}  // namespace sluice
