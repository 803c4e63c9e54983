// Rows of conf_directives_test: a route's conditions, where it leads, and what it changes.
#include <string>
#include <vector>

#include "tests/unit/conf_rows.h"

namespace sluice::testing {

namespace {

std::string number(uint64_t value) {
  return std::to_string(value);
}

template <class List, class Text>
std::string joined(const List& list, const Text& text) {
  std::string all;
  for (const auto& element : list) all += text(element) + " ";
  return all;
}

std::string host_text(const RouteConfig& route) {
  switch (route.host.policy) {
    case HostPolicy::by_scheme:  // toward ws:// this is the client's
    case HostPolicy::client:
      return "client";
    case HostPolicy::server:
      return "server";
    case HostPolicy::fixed:
      return "fixed " + route.host.name;
  }
  return "";
}

std::string ranges_text(const AddressRanges& ranges) {
  return joined(ranges.ranges, [](const Cidr& range) { return range.text(); }) +
         (ranges.unix_sockets ? "unix " : "");
}

std::string values_text(const std::vector<ValueMatch>& values) {
  return joined(values, [](const ValueMatch& each) {
    const std::string pattern(each.pattern.text());
    return each.name + "=" + each.value + (each.pattern ? "~" + pattern : "");
  });
}

std::string rules_text(const AccessRules& access) {
  return joined(access.rules, [](const AccessRule& rule) {
    return (rule.allows ? "allow " : "deny ") + (rule.all ? "all" : ranges_text(rule.who));
  });
}

std::string origins_text(const AllowedOrigins& allowed) {
  return joined(allowed.patterns,
                [](const OriginPattern& each) {
                  const Origin& origin = each.origin;
                  return origin.scheme + (each.below ? "://*." : "://") + origin.host + ":" +
                         number(origin.port);
                }) +
         (allowed.same_origin ? "same " : "") + (allowed.null ? "null " : "") +
         (allowed.all ? "all " : "");
}

const RouteConfig& last_route(const Config& config) {
  return config.routes.back();
}

std::vector<ConfRow> condition_rows() {
  return {
      {"match_host", "route", "match_host *.Example.ORG a.example",
       [](const Config& c) {
         return joined(last_route(c).match_hosts, [](const std::string& each) { return each; });
       },
       "*.example.org a.example "},
      {"match_header", "route", "match_header X-Region us-east",
       [](const Config& c) { return values_text(last_route(c).match_headers); },
       "X-Region=us-east ", "match_header X-Beta"},
      {"match_query", "route", "match_query room ~ ^a",
       [](const Config& c) { return values_text(last_route(c).match_queries); }, "room=~^a ",
       "match_query room b"},
      {"match_cookie", "route", "match_cookie sid",
       [](const Config& c) { return values_text(last_route(c).match_cookies); },
       "sid= ", "match_cookie sid"},
      {"match_client", "route", "match_client 10.0.0.0/8 unix",
       [](const Config& c) { return ranges_text(last_route(c).match_clients); },
       "10.0.0.0/8 unix "},
      {"match_listener", "route", "match_listener 127.0.0.1:8080",
       [](const Config& c) {
         return joined(last_route(c).match_listeners,
                       [](const Address& each) { return each.text(); });
       },
       "127.0.0.1:8080 "},
      {"match_method", "route", "match_method GET HEAD",
       [](const Config& c) {
         return joined(last_route(c).match_methods, [](const std::string& each) { return each; });
       },
       "GET HEAD "},
  };
}

std::vector<ConfRow> target_rows() {
  return {
      {"proxy_pass", "route", "proxy_pass ws://127.0.0.1:9005",
       [](const Config& c) { return c.upstream(last_route(c).upstream).peers[0].name; },
       "127.0.0.1:9005"},
      {"upstream_by", "route", "upstream_by $host a=up b=up default=up",
       [](const Config& c) {
         const auto& by = last_route(c).by;
         return by ? text_of(by->value) + " " + number(by->places.size()) : "";
       },
       "<3> 2"},
      {"strip_path", "top, route", "strip_path on",
       [](const Config& c) { return number(last_route(c).strip_path); }, "1"},
      {"rewrite_path", "route", "rewrite_path ^/a(.)$ /$1$$\\x",
       [](const Config& c) {
         return joined(last_route(c).rewrites, [](const PathRewrite& each) {
           return std::string(each.pattern.text()) + " " + each.to;
         });
       },
       "^/a(.)$ /\\1$\\\\x ", "rewrite_path b /b"},
      {"return", "route", "return 204",
       [](const Config& c) {
         return number(last_route(c).reply ? last_route(c).reply->status : 0);
       },
       "204"},
  };
}

std::vector<ConfRow> admission_rows() {
  const auto rules = [](const Config& c) {
    return rules_text(c.listeners.back().access) + rules_text(last_route(c).access);
  };
  return {
      {"allow", "listen, route", "allow 10.0.0.0/8 ::1", rules, "allow 10.0.0.0/8 ::1/128  ",
       "allow unix"},
      {"deny", "listen, route", "deny all", rules, "deny all ", "deny 10.0.0.0/8"},
      {"allowed_origins", "top, route",
       "allowed_origins https://A.example *.b.example:81 http://*.c.example null same-origin",
       [](const Config& c) { return origins_text(last_route(c).allowed_origins); },
       "https://a.example:443 ://*.b.example:81 http://*.c.example:80 same null ",
       "allowed_origins d.example"},
      {"require_subprotocol", "top, route", "require_subprotocol on",
       [](const Config& c) { return number(last_route(c).require_subprotocol); }, "1"},
      {"limit_connections", "top, listen, upstream, route", "limit_connections 7 per client",
       [](const Config& c) {
         return number(last_route(c).limit_connections.per_client +
                       c.listeners[0].most_per_client) +
                " " + number(last_route(c).limit_connections.per_route);
       },
       "7 0", "limit_connections 7 per client"},
      {"limit_handshakes", "top, upstream, route", "limit_handshakes 30/m burst=4 per client",
       [](const Config& c) {
         const ClientRate& rate = last_route(c).limit_handshakes;
         return number(rate.count) + "/" + number(rate.period_s) + " " + number(rate.burst);
       },
       "30/60 4"},
  };
}

std::vector<ConfRow> auth_rows() {
  return {
      {"auth_request", "top, route", "auth_request http://127.0.0.1:9/a?b",
       [](const Config& c) {
         return joined(last_route(c).authorizer, [](const RouteConfig& each) { return each.path; });
       },
       "/a?b "},
      {"auth_timeout", "top, route", "auth_timeout 2s",
       [](const Config& c) { return number(last_route(c).auth_timeout_ms); }, "2000"},
      {"auth_cache", "top, route", "auth_cache 3s",
       [](const Config& c) { return number(last_route(c).auth_cache_ms); }, "3000"},
      {"auth_cache_size", "top", "auth_cache_size 77",
       [](const Config& c) { return number(c.auth_cache_size); }, "77"},
  };
}

std::vector<ConfRow> field_rows() {
  return {
      {"host", "top, route", "host edge.example.org:444",
       [](const Config& c) { return host_text(last_route(c)); }, "fixed edge.example.org:444"},
      {"set_header", "top, route", "set_header X-Edge \"a b\"",
       [](const Config& c) {
         return joined(last_route(c).set_headers, [](const HeaderSetting& each) {
           return each.name + "=" + text_of(each.value);
         });
       },
       "X-Edge=a b ", "set_header X-Other c"},
      {"remove_header", "top, route", "remove_header X-Debug",
       [](const Config& c) {
         return joined(last_route(c).remove_headers, [](const std::string& each) { return each; });
       },
       "X-Debug ", "remove_header X-Trace"},
      {"keep_header", "top, route", "keep_header X-Real-IP",
       [](const Config& c) {
         return joined(last_route(c).keep_headers, [](const std::string& each) { return each; });
       },
       "X-Real-IP ", "keep_header Forwarded"},
      {"set_response_header", "top, route", "set_response_header X-By $host",
       [](const Config& c) {
         return joined(last_route(c).set_answer_headers, [](const HeaderSetting& each) {
           return each.name + "=" + text_of(each.value);
         });
       },
       "X-By=<3> ", "set_response_header X-Other 1"},
      {"remove_response_header", "top, route", "remove_response_header X-Powered-By",
       [](const Config& c) {
         return joined(last_route(c).remove_answer_headers,
                       [](const std::string& each) { return each; });
       },
       "X-Powered-By ", "remove_response_header Server"},
      {"forwarded", "top, route", "forwarded on",
       [](const Config& c) { return number(last_route(c).forwarded); }, "1"},
      {"underscore_headers", "top, route", "underscore_headers on",
       [](const Config& c) { return number(last_route(c).underscore_headers); }, "1"},
      {"subprotocols", "top, route", "subprotocols mqtt v12.stomp",
       [](const Config& c) {
         return joined(last_route(c).subprotocols, [](const std::string& each) { return each; });
       },
       "mqtt v12.stomp "},
  };
}

}  // namespace

std::vector<ConfRow> route_rows() {
  std::vector<ConfRow> rows;
  for (const std::vector<ConfRow>& part :
       {condition_rows(), target_rows(), field_rows(), admission_rows(), auth_rows()}) {
    rows.insert(rows.end(), part.begin(), part.end());
  }
  return rows;
}

}  // namespace sluice::testing
