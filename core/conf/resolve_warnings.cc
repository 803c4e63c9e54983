// ConfResolver: routes and upstreams that are legal, but hardly meant, limits of clients who are
// not known where they are to be counted, and rings that HTTP/2 does not fit into.
#include <algorithm>

#include "core/conf/resolve.h"
#include "core/conf/rows.h"
#include "core/observe/limit_text.h"
#include "core/router.h"
#include "protocol/http1.h"

namespace sluice {

namespace {

// Limits of which 0 is none.
bool laxer(uint64_t narrow, uint64_t broad) {
  return narrow != 0 && (broad == 0 || broad > narrow);
}

template <class Rate>
bool laxer_rate(const Rate& narrow, const Rate& broad) {
  return laxer(uint64_t{narrow.a_second}, broad.a_second) ||
         (narrow.a_second != 0 && broad.burst > narrow.burst);
}

bool laxer_client_rate(const ClientRate& narrow, const ClientRate& broad) {
  if (narrow.count == 0) return false;
  return broad.count == 0 || broad.interval_ns() < narrow.interval_ns() ||
         broad.burst > narrow.burst;
}

// Whether the broader route believes a field that the narrower one does not let pass.
bool keeps_more(const RouteConfig& narrow, const RouteConfig& broad) {
  return std::any_of(
      broad.keep_headers.begin(), broad.keep_headers.end(), [&narrow](const std::string& name) {
        return std::none_of(
            narrow.keep_headers.begin(), narrow.keep_headers.end(),
            [&name](const std::string& own) { return equals_ignoring_case(name, own); });
      });
}

// Keys that stand before the first section are the same ones, not alike.
bool same_tokens(const JwtSettings& a, const JwtSettings& b) {
  return a.jwt_places == b.jwt_places && a.jwt_keys == b.jwt_keys &&
         a.jwt_issuers == b.jwt_issuers && a.jwt_audiences == b.jwt_audiences &&
         a.jwt_leeway_ms == b.jwt_leeway_ms;
}

// Whether an authorizer is asked about the narrower route's requests that is not about the
// broader's.
bool asks_more(const RouteConfig& narrow, const RouteConfig& broad) {
  if (narrow.authorizer.empty()) return false;
  if (broad.authorizer.empty()) return true;
  const RouteConfig& one = narrow.authorizer.front();
  const RouteConfig& other = broad.authorizer.front();
  return one.upstream != other.upstream || one.path != other.path;
}

// Whether the broader route lets pass what the narrower one was written to prevent. Timeouts
// prevent nothing.
bool gives_way(const RouteConfig& narrow, const RouteConfig& broad) {
  return narrow.set_headers != broad.set_headers || narrow.remove_headers != broad.remove_headers ||
         keeps_more(narrow, broad) || asks_more(narrow, broad) ||
         (!narrow.underscore_headers && broad.underscore_headers) ||
         (!narrow.subprotocols.empty() && narrow.subprotocols != broad.subprotocols) ||
         (narrow.access.given() && narrow.access != broad.access) ||
         (narrow.wants_jwt() && !same_tokens(narrow, broad)) ||
         (narrow.allowed_origins.given() && narrow.allowed_origins != broad.allowed_origins) ||
         (narrow.require_subprotocol && !broad.require_subprotocol) ||
         laxer(narrow.limit_connections.per_client, broad.limit_connections.per_client) ||
         laxer(narrow.limit_connections.per_route, broad.limit_connections.per_route) ||
         laxer_client_rate(narrow.limit_handshakes, broad.limit_handshakes) ||
         (narrow.validate_utf8 && !broad.validate_utf8) ||
         laxer(narrow.max_message_bytes, broad.max_message_bytes) ||
         laxer(narrow.max_small_fragments, broad.max_small_fragments) ||
         laxer_rate(narrow.control_frame_rate, broad.control_frame_rate) ||
         laxer_rate(narrow.client_message_rate, broad.client_message_rate) ||
         laxer_rate(narrow.client_byte_rate, broad.client_byte_rate);
}

// Whether every path that the narrow one takes is one of the broad one's. What a pattern takes is
// not looked into.
bool path_covers(const RouteConditions& broad, const RouteConditions& narrow) {
  if (broad.path_form == PathForm::under && broad.path == "/") return true;
  if (narrow.path_form == PathForm::pattern || broad.path_form == PathForm::pattern) {
    return narrow.path_form == broad.path_form && narrow.path == broad.path;
  }
  if (broad.path_form == PathForm::under) return path_is_under(narrow.path, broad.path);
  return narrow.path_form == PathForm::exact && narrow.path == broad.path;
}

// Whether the earlier one leaves nothing to the route, by path and host.
bool takes_all_of(const RouteConditions& earlier, const RouteConditions& route) {
  if (!earlier.path_and_host_alone() || !path_covers(earlier, route)) return false;
  const std::vector<std::string>& hosts = earlier.match_hosts;
  const auto taken = [&hosts](const std::string& host) {
    return std::find(hosts.begin(), hosts.end(), host) != hosts.end();
  };
  return hosts.empty() || (!route.match_hosts.empty() &&
                           std::all_of(route.match_hosts.begin(), route.match_hosts.end(), taken));
}

bool shares_host(const RouteConditions& a, const RouteConditions& b) {
  return a.match_hosts.empty() || b.match_hosts.empty() ||
         std::find_first_of(a.match_hosts.begin(), a.match_hosts.end(), b.match_hosts.begin(),
                            b.match_hosts.end()) != a.match_hosts.end();
}

// Whether strangers may come there: its address is neither this machine's alone nor one that is not
// routed (RFC 1918, RFC 4193, link-local ones).
bool is_public(const Address& address) {
  static const std::vector<Cidr> others = [] {
    std::vector<Cidr> ranges;
    for (const char* text : {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
                             "fc00::/7", "fe80::/10"}) {
      ranges.push_back(Cidr::parse(text).value());
    }
    return ranges;
  }();
  return !address.is_unix() && !address.is_loopback() &&
         std::none_of(others.begin(), others.end(),
                      [&address](const Cidr& range) { return range.holds(address); });
}

bool is_reached_by(const RouteConfig& route, const ListenConfig& listener) {
  const std::vector<Address>& wanted = route.match_listeners;
  return is_public(listener.address) &&
         (wanted.empty() ||
          std::find(wanted.begin(), wanted.end(), listener.address) != wanted.end());
}

}  // namespace

// File order is unlike nginx's longest match: a route behind a broader one is a likely mistake. It
// is not in the index yet, and what takes all of it takes its first host.
void ConfResolver::warn_where_hidden(const SectionDraft& section, const RouteConfig& route) {
  const std::vector<RouteConfig>& routes = draft_.config.routes;
  const HostKey host(route.match_hosts.empty() ? "" : route.match_hosts.front());
  const uint32_t earlier = draft_.config.route_index.first_normal(
      host, route.prefix(), [&](uint32_t number) { return takes_all_of(routes[number], route); });
  if (earlier == no_route_number) return;
  const SectionDraft& other = *routes_[earlier];
  warnings_.push_back(
      text_at(section.place, described(section) + " is never reached: " + described(other) + " " +
                                 seen_from(section.place, other.place) + " takes all of it"));
}

// Path parameters are data to the router, but many servers drop them: "/admin;x" takes the route
// behind `route /admin` and may be answered as "/admin" was.
void ConfResolver::warn_where_walked_around(SectionDraft& section) {
  if (walked_ == routes_.size() || routes_[walked_] != &section) return;
  const RouteConfig& route = draft_.config.routes[walked_];
  const RouteConfig* around = way_around(walked_++);
  if (around == nullptr) return;
  const SectionDraft& other = *routes_[static_cast<size_t>(around - draft_.config.routes.data())];
  warnings_.push_back(text_at(
      section.place, described(section) + " can be walked around: " + quoted(route.path + ";x") +
                         " takes " + described(other) + " " +
                         seen_from(section.place, other.place) +
                         ", which leads to the same server with other headers or limits; a server "
                         "that drops path parameters takes both for the same"));
}

// The route that takes the path with a parameter; null where it leads elsewhere, or forbids as
// much.
const RouteConfig* ConfResolver::way_around(size_t number) const {
  const std::vector<RouteConfig>& routes = draft_.config.routes;
  const RouteConfig& narrow = routes[number];
  // Leaving a header out walks around it; what a pattern takes is not looked into.
  if (!narrow.path_and_host_alone() || narrow.path_form == PathForm::pattern) return nullptr;
  // Behind the first one that is this one's server's, or takes whatever is left, no other counts.
  const auto decides = [&](uint32_t other) {
    const RouteConfig& broad = routes[other];
    return other > number && broad.path_form == PathForm::under && broad.path != narrow.path &&
           shares_host(narrow, broad) &&
           (same_server(narrow, broad) ||
            (broad.path_and_host_alone() && broad.match_hosts.empty()));
  };
  uint32_t first = no_route_number;
  if (narrow.match_hosts.empty()) {
    first = routes_by_path_.first_normal(HostKey(""), narrow.path, decides);
  }
  for (const std::string& host : narrow.match_hosts) {
    const RouteIndex& index = draft_.config.route_index;
    first = std::min(first, index.first_normal(HostKey(host), narrow.path, decides));
  }
  if (first == no_route_number || !same_server(narrow, routes[first])) return nullptr;
  return gives_way(narrow, routes[first]) ? &routes[first] : nullptr;
}

bool ConfResolver::same_server(const RouteConfig& a, const RouteConfig& b) const {
  if (a.reply || b.reply || a.by || b.by) return false;
  const UpstreamConfig& one = draft_.config.upstream(a.upstream);
  const UpstreamConfig& other = draft_.config.upstream(b.upstream);
  const auto among = [](const auto& all, const auto& others, auto same) {
    return std::any_of(all.begin(), all.end(), [&](const auto& each) {
      return std::any_of(others.begin(), others.end(),
                         [&](const auto& second) { return same(each, second); });
    });
  };
  return among(one.peers, other.peers,
               [](const PeerConfig& peer, const PeerConfig& second) {
                 return peer.address == second.address;
               }) ||
         among(one.named, other.named, [](const NamedServer& name, const NamedServer& second) {
           return name.question == second.question;
         });
}

// nginx lets in whom no line names, and so does sluice.
void ConfResolver::warn_where_nobody_is_denied(const SectionDraft& section) {
  const std::vector<AccessRule>& rules = section.access.rules;
  const auto allows = [](const AccessRule& rule) { return rule.allows; };
  if (rules.empty() || !std::all_of(rules.begin(), rules.end(), allows)) return;
  const bool all =
      std::any_of(rules.begin(), rules.end(), [](const auto& rule) { return rule.all; });
  if (all) return;
  warnings_.push_back(text_at(section.given.at(&directive::allow),
                              "allow: whom no line names is let in as well; write deny all behind "
                              "the last one"));
}

// A page from anywhere may open WebSockets with its visitors' cookies (RFC 6455 10.2). Once for
// all: most confs have one such route, or hundreds.
void ConfResolver::warn_of_foreign_pages(SectionDraft& section) {
  if (section.kind() != Section::top) return;
  const ListenConfig* reached_by = nullptr;
  const SectionDraft* first = nullptr;
  size_t count = 0;
  for (size_t i = 0; i < routes_.size(); ++i) {
    const RouteConfig& route = draft_.config.routes[i];
    if (route.reply || route.allowed_origins.given()) continue;
    const auto& listeners = draft_.config.listeners;
    const auto listener =
        std::find_if(listeners.begin(), listeners.end(),
                     [&route](const ListenConfig& each) { return is_reached_by(route, each); });
    if (listener == listeners.end()) continue;
    if (count++ > 0) continue;
    reached_by = &*listener;
    first = routes_[i];
  }
  if (count == 0) return;
  const std::string others =
      count == 1 ? "" : " and " + std::to_string(count - 1) + (count == 2 ? " other" : " others");
  warnings_.push_back(text_at(
      first->place, described(*first) + others + ": any web page may open WebSockets here, with " +
                        "its visitors' cookies, for listen " + reached_by->address.text() +
                        " is public; write allowed_origins same-origin, the pages' origins, or *"));
}

// A balancer's connections are no client's, and whose they are is told too late.
void ConfResolver::check_listener_limit(const SectionDraft& section, const ListenConfig& listener) {
  if (listener.most_per_client == 0 || listener.knows_client_at_accept()) return;
  const char* const how = listener.proxy_protocol ? "proxy_protocol" : "trusted_proxies";
  errors_.add(section.given.at(&directive::limit_connections),
              "limit_connections: " + described(section) + " has " + how +
                  ", so that its clients are not known when they connect; write it in the routes, "
                  "or let the balancer limit connections");
}

// What a client may send unread has to fit where it is kept. A line for all listeners says nothing
// of one without TLS.
void ConfResolver::check_http2(const SectionDraft& section, const ListenConfig& listener) {
  if (listener.http2 == Http2Use::off) return;
  const auto line = section.given.find(&directive::http2);
  const bool in_tls = section.given.count(&directive::tls_certificate) > 0;
  if (listener.http2 == Http2Use::on && !in_tls && line != section.given.end()) {
    warnings_.push_back(
        text_at(line->second, "http2 on does nothing without TLS, which " + described(section) +
                                  " has not; write http2 cleartext for clients that know"));
  }
  const uint32_t ring = draft_.config.ring_bytes;
  const uint32_t needed = std::max(listener.http2_stream_window_bytes, least_http2_ring_bytes);
  if (needed <= ring) return;
  const bool by_window = needed > least_http2_ring_bytes;
  errors_.add(section.place,
              std::string("http2: ring_size ") + size_text(ring) + " is less than " +
                  (by_window ? "http2_stream_window " + size_text(needed)
                             : "the " + size_text(needed) + " that a stream of HTTP/2 may bring") +
                  "; raise ring_size" + (by_window ? " or lower the window" : ""));
}

void ConfResolver::warn_of_unused(SectionDraft& section) {
  if (section.kind() != Section::upstream) return;
  const auto known = upstreams_.find(section.as<UpstreamDraft>().name);
  if (known == upstreams_.end() || known->second.used) return;
  warnings_.push_back(text_at(section.place, described(section) + " is used by no route"));
}

}  // namespace sluice
