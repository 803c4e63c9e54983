// What host and path decide the index finds; the other conditions are asked of what it finds.
#include "core/router.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "core/route_index.h"
#include "net/check.h"
#include "protocol/parameters.h"

namespace sluice {

namespace {

// `host` is a HostKey's.
bool host_matches(std::string_view wanted, std::string_view host) {
  if (!wanted.starts_with("*.")) return host == HostKey(wanted).text();
  const std::string_view domain = wanted.substr(1);  // ".example.org"
  return host.size() > domain.size() && host.ends_with(domain);
}

bool any_host_matches(const RouteConditions& route, std::string_view host) {
  const std::vector<std::string>& wanted = route.match_hosts;
  const HostKey key(host);
  return wanted.empty() ||
         std::any_of(wanted.begin(), wanted.end(),
                     [&key](const std::string& each) { return host_matches(each, key.text()); });
}

// A request while routes are held against it: what several of them may ask for is read once.
class Asked {
 public:
  // The request outlives this.
  explicit Asked(const RouteRequest& request) : request_(request) {}

  const RouteRequest& request() const { return request_; }
  bool has_header(const ValueMatch& wanted) const {
    const std::vector<HeaderField>& fields = request_.head->fields;
    return std::any_of(fields.begin(), fields.end(), [&wanted](const HeaderField& field) {
      return equals_ignoring_case(field.name, wanted.name) && wanted.takes(field.value);
    });
  }
  bool has_parameter(const ValueMatch& wanted) { return any_takes(parameters(), wanted); }
  bool has_cookie(const ValueMatch& wanted) { return any_takes(cookies(), wanted); }

 private:
  template <class Text>
  using Values = std::vector<std::pair<Text, Text>>;

  template <class Text>
  static bool any_takes(const Values<Text>& values, const ValueMatch& wanted) {
    return std::any_of(values.begin(), values.end(), [&wanted](const auto& each) {
      return each.first == wanted.name && wanted.takes(each.second);
    });
  }
  const Values<std::string>& parameters() {
    if (parameters_) return *parameters_;
    parameters_.emplace();
    const std::string_view query = request_.query;
    for_each_parameter(query.substr(std::min<size_t>(1, query.size())),
                       [this](std::string_view name, std::string_view value) {
                         parameters_->emplace_back(decoded_parameter(name),
                                                   decoded_parameter(value));
                       });
    return *parameters_;
  }
  const Values<std::string_view>& cookies() {
    if (cookies_) return *cookies_;
    cookies_.emplace();
    for (const HeaderField& field : request_.head->fields) {
      if (!equals_ignoring_case(field.name, "Cookie")) continue;
      for_each_cookie(field.value, [this](std::string_view name, std::string_view value) {
        cookies_->emplace_back(name, value);
      });
    }
    return *cookies_;
  }

  const RouteRequest& request_;
  std::optional<Values<std::string>> parameters_;    // once a route asked for one
  std::optional<Values<std::string_view>> cookies_;  // the same
};

bool method_matches(const RouteConditions& route, const RouteRequest& request) {
  const std::vector<std::string>& methods = route.match_methods;
  return methods.empty() ||
         std::find(methods.begin(), methods.end(), request.method) != methods.end();
}

bool listener_matches(const RouteConditions& route, const RouteRequest& request) {
  const std::vector<Address>& listeners = route.match_listeners;
  return listeners.empty() ||
         (request.listener != nullptr &&
          std::find(listeners.begin(), listeners.end(), *request.listener) != listeners.end());
}

bool client_matches(const RouteConditions& route, const RouteRequest& request) {
  const AddressRanges& clients = route.match_clients;
  return clients.none() || (request.client != nullptr && clients.hold(*request.client));
}

// All but path and host.
bool conditions_hold(const RouteConditions& route, Asked& asked) {
  const RouteRequest& request = asked.request();
  const auto all = [](const std::vector<ValueMatch>& wanted, auto has) {
    return std::all_of(wanted.begin(), wanted.end(), has);
  };
  return method_matches(route, request) && listener_matches(route, request) &&
         client_matches(route, request) &&
         all(route.match_headers, [&](const ValueMatch& each) { return asked.has_header(each); }) &&
         all(route.match_cookies, [&](const ValueMatch& each) { return asked.has_cookie(each); }) &&
         all(route.match_queries,
             [&](const ValueMatch& each) { return asked.has_parameter(each); });
}

bool path_matches(const RouteConditions& route, std::string_view normal) {
  switch (route.path_form) {
    case PathForm::under:
      return path_is_under(normal, route.path);
    case PathForm::exact:
      return normal == route.path;
    case PathForm::pattern:
      break;
  }
  return route.pattern.found_in(normal);
}

std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : " or ") + word;
  return all;
}

// "no field X-Beta", or what it has instead.
std::string why_not_value(const char* kind, const ValueMatch& wanted, bool there) {
  return (there ? "another value in the " : "no ") + std::string(kind) + " " + wanted.name;
}

}  // namespace

RouteChoice find_route(const Config& config, const RouteRequest& request) {
  const std::vector<RouteConfig>& routes = config.routes;
  SLUICE_CHECK(config.route_index.routes() == routes.size());
  const std::string normal = normal_path(request.path);
  const std::string decoded = decoded_path(request.path);
  const HostKey host(request.host);
  Asked asked(request);
  const auto takes = [&](std::string_view reading) {
    return [&, reading](uint32_t number) {
      const RouteConfig& route = routes[number];
      return (route.path_form != PathForm::pattern || route.pattern.found_in(reading)) &&
             conditions_hold(route, asked);
    };
  };
  const uint32_t first = config.route_index.first_normal(host, normal, takes(normal));
  RouteChoice choice;
  if (first != no_route_number) choice.route = &routes[first];
  choice.ambiguous = config.route_index.first_decoded(host, decoded, takes(decoded)) != first;
  return choice;
}

std::string why_not(const RouteConfig& route, const RouteRequest& request) {
  if (!path_matches(route, normal_path(request.path))) {
    if (route.path_form == PathForm::pattern) return "the path does not match it";
    return route.path_form == PathForm::exact ? "the path is another one"
                                              : "the path is not under it";
  }
  if (!any_host_matches(route, request.host)) return "the host is not " + joined(route.match_hosts);
  if (!method_matches(route, request)) return "the method is not " + joined(route.match_methods);
  if (!listener_matches(route, request)) return "the listener is another one";
  if (!client_matches(route, request)) return "the client is not among match_client's";
  Asked asked(request);
  for (const ValueMatch& wanted : route.match_headers) {
    if (asked.has_header(wanted)) continue;
    return why_not_value("field", wanted, asked.has_header({wanted.name}));
  }
  for (const ValueMatch& wanted : route.match_cookies) {
    if (asked.has_cookie(wanted)) continue;
    return why_not_value("cookie", wanted, asked.has_cookie({wanted.name}));
  }
  for (const ValueMatch& wanted : route.match_queries) {
    if (asked.has_parameter(wanted)) continue;
    return why_not_value("parameter", wanted, asked.has_parameter({wanted.name}));
  }
  return "";
}

bool path_is_under(std::string_view path, std::string_view prefix) {
  if (prefix == "/") return true;
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

std::string upstream_target(const ServerUri& server, std::string_view route_path,
                            std::string_view path, std::string_view query, bool strip_path) {
  std::string target;
  if (server.path.empty() && !strip_path) {
    target = path;
  } else {
    target = server.path.empty() ? "/" : server.path;
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

Result<std::string> rewritten_path(const RouteConfig& route, std::string_view path) {
  if (route.rewrites.empty()) return std::string();
  const std::string normal = normal_path(path);
  for (const PathRewrite& each : route.rewrites) {
    std::optional<std::string> made = each.pattern.rewritten(normal, each.to);
    if (!made) continue;
    const Result<RequestTarget> target = parse_request_target(*made);
    if (!target.ok()) return target.fault();
    return *std::move(made);
  }
  return std::string();
}

}  // namespace sluice
