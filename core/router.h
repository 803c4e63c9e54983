// Router: which route a request takes. Routes are tried in file order, the first match wins
// (core/DESIGN.md section 5).
#pragma once

#include <string_view>

#include "core/config.h"
#include "protocol/http1.h"

namespace sluice {

// `host` is the request's host without port, in any case; `path` is the target's path,
// case-sensitive. Null where no route matches: the client gets 404.
const RouteConfig* find_route(const Config& config, std::string_view host, std::string_view path,
                              const Head& request);

// True where `path` is `prefix` or lies under it; "/" takes everything.
bool path_is_under(std::string_view path, std::string_view prefix);

// The target that goes upstream: the path unchanged for a server URI without a path, else the
// server's path and what stands under the route, joined by exactly one '/'; then `query`, which
// keeps its '?'.
std::string upstream_target(const ServerUri& server, std::string_view route_path,
                            std::string_view path, std::string_view query);

}  // namespace sluice
