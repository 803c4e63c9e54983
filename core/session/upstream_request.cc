// What set_header, remove_header, keep_header and host make of a request.
#include "core/session/upstream_request.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "core/peers/balance.h"
#include "core/router.h"
#include "core/session/facts.h"
#include "protocol/forwarded.h"
#include "protocol/http1.h"

namespace sluice {

namespace {

constexpr size_t most_dropped_names_bytes = 200;  // in a line of the log

std::string_view host_for(const RouteConfig& route, const Peer& peer,
                          std::string_view client_authority) {
  switch (route.host.policy) {
    case HostPolicy::client:
      return client_authority;
    case HostPolicy::server:
      return peer.uri.authority;
    case HostPolicy::fixed:
      return route.host.name;
    case HostPolicy::by_scheme:
      break;
  }
  return peer.uri.secure ? std::string_view(peer.uri.authority) : client_authority;
}

// A rewritten path is a whole one: nothing of it stands for the route.
std::string target_for(const RouteConfig& route, const ServerUri& server,
                       const ClientRequest& client) {
  const std::string_view query = client.upgrade.target.query;
  if (!client.rewritten.empty()) return upstream_target(server, "/", client.rewritten, query);
  return upstream_target(server, route.prefix(), client.upgrade.target.path, query,
                         route.strip_path);
}

void log_dropped_fields(const SessionContext& lent, const RequestHead& head,
                        const UpstreamRequest& upstream) {
  Log& log = lent.worker.log;
  const bool forwarding_told = log.enabled(LogLevel::debug);
  if (std::none_of(head.fields.begin(), head.fields.end(), [&](const HeaderField& field) {
        return !is_plain_name(field.name) || (forwarding_told && is_forwarding_field(field.name));
      })) {
    return;
  }
  const EndToEnd end_to_end(head);
  std::string not_plain;
  std::string forwarding;
  for (const HeaderField& field : head.fields) {
    const FieldFate fate = field_fate(end_to_end, field.name, upstream);
    if (fate == FieldFate::not_plain) not_plain.append(" ").append(field.name);
    if (fate == FieldFate::forwarding) forwarding.append(" ").append(field.name);
  }
  const std::string who = "request " + lent.id_text() + ": dropped fields";
  if (!not_plain.empty()) {
    not_plain.resize(std::min(not_plain.size(), most_dropped_names_bytes));
    log.recurring(LogLevel::info, "dropped fields", who + " (underscore_headers off):" + not_plain);
  }
  if (forwarding_told && !forwarding.empty()) {
    log.error(LogLevel::debug, who + " (no keep_header):" + forwarding);
  }
}

}  // namespace

const RouteConfig* choose_upstream(const SessionContext& lent, const RouteConfig& route,
                                   const ClientRequest& client) {
  if (!route.by) return &route;
  const std::optional<std::string> value = route.by->value.filled(Facts(lent, client));
  const auto known = value ? route.by->places.find(*value) : route.by->places.end();
  if (known != route.by->places.end()) return &route.choices[known->second];
  return route.by->otherwise ? &route.choices[*route.by->otherwise] : nullptr;
}

Dial::Wish wish_of(const SessionContext& lent, const UpstreamSettings& settings,
                   const ClientRequest& client) {
  Dial::Wish wish;
  const bool hashed = settings.balance == Balance::hash;
  const bool sticky = !settings.sticky.cookie.empty();
  if (!hashed && !sticky) return wish;
  const Facts facts(lent, client);
  if (hashed) {
    const std::optional<std::string> key = settings.hash_key.filled(facts);
    if (key && !key->empty()) wish.key = balance_key(*key);
  }
  if (sticky) wish.token = facts(Variable::cookie, settings.sticky.cookie).value_or("");
  return wish;
}

// A cookie with a time to live is sent each time, so that the time begins anew.
std::string sticky_cookie(const Sticky& sticky, std::string_view token, const Dial::Wish& wish,
                          bool secure) {
  if (token.empty() || (sticky.ttl_ms == 0 && wish.token == token)) return "";
  std::string cookie = sticky.cookie + "=";
  cookie.append(token).append("; Path=/; HttpOnly; SameSite=Lax");
  if (sticky.ttl_ms > 0) cookie += "; Max-Age=" + std::to_string(sticky.ttl_ms / 1000);
  if (secure) cookie += "; Secure";
  return cookie;
}

std::string location_for(const SessionContext& lent, const HeaderValue& location,
                         const ClientRequest& client) {
  const Facts facts(lent, client);
  std::string filled = location.filled(facts).value_or("");
  return header_value_valid(filled) ? filled : "";
}

std::string request_for_peer(const SessionContext& lent, const RouteConfig& route, const Peer& peer,
                             const ClientRequest& client, const MessageFraming* framing,
                             bool keep_alive) {
  const UpgradeRequest& upgrade = client.upgrade;
  const std::string target =
      asks_of_server(client.head, upgrade.target) ? "*" : target_for(route, peer.uri, client);
  const Facts facts(lent, client);
  const Hop& hop = client.hop;
  const std::string hop_ip = hop.address.has_ip() ? hop.address.host_text() : "";
  std::vector<HeaderField> set;
  std::vector<std::string_view> removed(route.remove_headers.begin(), route.remove_headers.end());
  std::vector<std::string> values;  // what the views point at
  values.reserve(route.set_headers.size());
  for (const HeaderSetting& header : route.set_headers) {
    std::optional<std::string> value = header.value.filled(facts);
    if (value && !value->empty() && header_value_valid(*value)) {
      set.push_back({header.name, values.emplace_back(std::move(*value))});
    } else {
      // Without a value the client's own field of that name must not pass for it.
      removed.push_back(header.name);
    }
  }
  const std::array<std::string_view, 5> believed = {
      "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", lent.listener.real_ip_header,
      // Where it is not written, nobody keeps it true.
      route.forwarded ? "Forwarded" : "X-Forwarded-For"};
  const std::vector<std::string_view> kept(route.keep_headers.begin(), route.keep_headers.end());
  UpstreamRequest upstream;
  upstream.target = target;
  upstream.host = host_for(route, peer, upgrade.authority);
  upstream.forwarded_for = hop_ip;
  upstream.forwarded_proto = facts.scheme();
  upstream.forwarded_host = upgrade.authority;
  const std::string forwarded =
      route.forwarded ? forwarded_element(hop_ip, upgrade.authority, facts.scheme()) : "";
  upstream.forwarded = forwarded;
  if (hop.trusted) upstream.believed_headers = believed;
  upstream.protocols = client.protocols;
  upstream.set_headers = set;
  upstream.remove_headers = removed;
  upstream.keep_headers = kept;
  upstream.underscore_headers = route.underscore_headers;
  upstream.keep_alive = keep_alive;
  log_dropped_fields(lent, client.head, upstream);
  if (framing != nullptr) return write_http1(build_plain_request(client.head, *framing, upstream));
  return write_http1(build_upstream_request(client.head, upgrade, upstream));
}

}  // namespace sluice
