// What set_header, remove_header, keep_header and host make of a request.
#include "core/session/upstream_request.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "core/router.h"
#include "core/session/variables.h"
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

std::string request_for_peer(const SessionContext& lent, const RouteConfig& route, const Peer& peer,
                             const ClientRequest& client) {
  const UpgradeRequest& upgrade = client.upgrade;
  const std::string target =
      upstream_target(peer.uri, route.path, upgrade.target.path, upgrade.target.query);
  const ClientAddress& address = lent.client_address;
  const std::string client_ip = address.has_ip() ? address.host_text() : "";
  const std::string request_id = lent.id_text();
  RequestFacts facts;
  facts.head = &client.head;
  facts.request = &upgrade;
  facts.remote_addr = client_ip;
  facts.remote_port = address.port();
  facts.scheme = lent.listener.tls != nullptr ? "https" : "http";
  facts.request_id = request_id;
  facts.tls = client.tls;
  std::vector<HeaderField> set;
  std::vector<std::string_view> removed(route.remove_headers.begin(), route.remove_headers.end());
  std::vector<std::string> values;  // what the views point at
  values.reserve(route.set_headers.size());
  for (const HeaderSetting& header : route.set_headers) {
    std::optional<std::string> value =
        header.value.filled([&facts](Variable variable, std::string_view name) {
          return value_of(variable, name, facts);
        });
    if (value && !value->empty() && header_value_valid(*value)) {
      set.push_back({header.name, values.emplace_back(std::move(*value))});
    } else {
      // Without a value the client's own field of that name must not pass for it.
      removed.push_back(header.name);
    }
  }
  const std::vector<std::string_view> kept(route.keep_headers.begin(), route.keep_headers.end());
  UpstreamRequest upstream;
  upstream.target = target;
  upstream.host = host_for(route, peer, upgrade.authority);
  upstream.forwarded_for = client_ip;
  upstream.forwarded_proto = facts.scheme;
  upstream.forwarded_host = upgrade.authority;
  upstream.protocols = client.protocols;
  upstream.set_headers = set;
  upstream.remove_headers = removed;
  upstream.keep_headers = kept;
  upstream.underscore_headers = route.underscore_headers;
  log_dropped_fields(lent, client.head, upstream);
  return write_http1(build_upstream_request(client.head, upgrade, upstream));
}

}  // namespace sluice
