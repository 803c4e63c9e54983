// Router: linear, because a conf has few routes and file order is the rule.
#include "core/router.h"

#include <algorithm>

namespace sluice {

namespace {

// "example.org." is the same host (RFC 3986 3.2.2: a final dot only says that the name is whole).
std::string_view without_final_dot(std::string_view host) {
  if (host.size() > 1 && host.ends_with('.')) host.remove_suffix(1);
  return host;
}

// Compares IPv6 literals by their addresses: one address has many spellings (RFC 3986 3.2.2).
bool same_literal(std::string_view a, std::string_view b) {
  const Result<Address> first = Address::parse(std::string(a) + ":1");
  const Result<Address> second = Address::parse(std::string(b) + ":1");
  return first.ok() && second.ok() && first.value() == second.value();
}

bool host_matches(std::string_view wanted, std::string_view host) {
  if (wanted.empty()) return true;
  host = without_final_dot(host);
  if (wanted.starts_with('[')) return same_literal(wanted, host);
  if (!wanted.starts_with("*.")) return equals_ignoring_case(wanted, host);
  const std::string_view domain = wanted.substr(1);  // ".example.org"
  return host.size() > domain.size() &&
         equals_ignoring_case(host.substr(host.size() - domain.size()), domain);
}

bool header_matches(const HeaderMatch& wanted, const Head& request) {
  return std::any_of(request.fields.begin(), request.fields.end(),
                     [&wanted](const HeaderField& field) {
                       return equals_ignoring_case(field.name, wanted.name) &&
                              (wanted.value.empty() || field.value == wanted.value);
                     });
}

bool conditions_hold(const RouteConfig& route, std::string_view host, const Head& request) {
  return host_matches(route.match_host, host) &&
         std::all_of(
             route.match_headers.begin(), route.match_headers.end(),
             [&request](const HeaderMatch& wanted) { return header_matches(wanted, request); });
}

// path_is_under() for a decoded path and a route's path, which is in normal form.
bool decoded_is_under(std::string_view decoded, std::string_view route_path) {
  if (route_path.find('%') == std::string_view::npos) return path_is_under(decoded, route_path);
  return path_is_under(decoded, decoded_path(route_path));
}

}  // namespace

RouteChoice find_route(const Config& config, std::string_view host, std::string_view path,
                       const Head& request) {
  const std::string normal = normal_path(path);
  const std::string decoded = decoded_path(path);
  const auto first_above = [&](std::string_view reading, auto is_under) -> const RouteConfig* {
    for (const RouteConfig& route : config.routes) {
      if (is_under(reading, route.path) && conditions_hold(route, host, request)) return &route;
    }
    return nullptr;
  };
  RouteChoice choice;
  choice.route = first_above(normal, path_is_under);
  choice.ambiguous = first_above(decoded, decoded_is_under) != choice.route;
  return choice;
}

std::string why_not(const RouteConfig& route, std::string_view host, std::string_view path,
                    const Head& request) {
  if (!path_is_under(normal_path(path), route.path)) return "the path is not under it";
  if (!host_matches(route.match_host, host)) return "the host is not " + route.match_host;
  for (const HeaderMatch& wanted : route.match_headers) {
    if (header_matches(wanted, request)) continue;
    const bool there = request.find(wanted.name) != nullptr;
    return (there ? "another value in the field " : "no field ") + wanted.name;
  }
  return "";
}

bool path_is_under(std::string_view path, std::string_view prefix) {
  if (prefix == "/") return true;
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

std::string upstream_target(const ServerUri& server, std::string_view route_path,
                            std::string_view path, std::string_view query) {
  std::string target;
  if (server.path.empty()) {
    target = path;
  } else {
    target = server.path;
    std::string_view rest =
        route_path == "/" ? path : path.substr(spelled_bytes(path, route_path.size()));
    // The bare "/" under `route /` is the route itself: nothing is left to append.
    if (!rest.empty() && !(route_path == "/" && rest == "/")) {
      target.erase(target.find_last_not_of('/') + 1);
      rest.remove_prefix(std::min(rest.find_first_not_of('/'), rest.size()));
      target += '/';
      target += rest;
    }
  }
  target += query;
  return target;
}

}  // namespace sluice
