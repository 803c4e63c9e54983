// What goes to the authorizer is what it may judge by, and with auth_cache what its verdict is kept
// by: nothing stands there that is another one for each request.
#include "core/session/auth_request.h"

#include <array>
#include <cstdint>
#include <vector>

#include "core/session/facts.h"
#include "protocol/end_to_end.h"
#include "protocol/forwarded.h"
#include "protocol/http1.h"
#include "protocol/plain_http.h"

namespace sluice {

bool is_withheld(std::string_view name) {
  static constexpr std::array<std::string_view, 22> names = {
      // Of the body (its framing never travels here).
      "Expect", "Content-Encoding", "Content-Range", "Content-MD5", "Digest", "Content-Digest",
      // Of what the client has of the target: the answer would be 304, 206 or 412.
      "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range",
      // Of one request among others.
      "X-Request-Id", "Request-Id", "X-Correlation-Id", "Traceparent", "Tracestate", "X-B3-TraceId",
      "X-B3-SpanId", "X-B3-ParentSpanId", "B3", "X-Amzn-Trace-Id"};
  return named_in(names, name);
}

std::string auth_request_text(const SessionContext& lent, const RouteConfig& way,
                              const ClientRequest& client) {
  const UpgradeRequest& upgrade = client.upgrade;
  RequestHead asked;
  asked.method = "GET";
  for (const HeaderField& field : client.head.fields) {
    if (!is_withheld(field.name)) asked.fields.push_back(field);
  }
  const Facts facts(lent, client);
  const Hop& hop = client.hop;
  const std::string hop_ip = hop.address.has_ip() ? hop.address.host_text() : "";
  const bool of_server = asks_of_server(client.head, upgrade.target);
  const std::string uri =
      of_server ? "*" : std::string(upgrade.target.path).append(upgrade.target.query);
  const std::array<HeaderField, 2> set = {HeaderField{"X-Original-Method", client.head.method},
                                          HeaderField{"X-Original-URI", uri}};
  const std::array<std::string_view, 5> believed = {
      "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", lent.listener.real_ip_header,
      way.forwarded ? "Forwarded" : "X-Forwarded-For"};
  UpstreamRequest upstream;
  upstream.target = way.path;
  upstream.host = way.host.name;
  upstream.forwarded_for = hop_ip;
  upstream.forwarded_proto = facts.scheme();
  upstream.forwarded_host = upgrade.authority;
  const std::string forwarded =
      way.forwarded ? forwarded_element(hop_ip, upgrade.authority, facts.scheme()) : "";
  upstream.forwarded = forwarded;
  if (hop.trusted) upstream.believed_headers = believed;
  upstream.set_headers = set;
  upstream.underscore_headers = way.underscore_headers;
  upstream.keep_alive = true;
  return write_http1(build_plain_request(asked, {}, upstream));
}

std::string with_connection_close(std::string text) {
  constexpr std::string_view line_end = "\r\n";
  text.insert(text.size() - line_end.size(), "Connection: close\r\n");
  return text;
}

// The route's place in memory is no other one's while its conf is there.
Digest auth_cache_key(const SessionContext& lent, const RouteConfig& route, std::string_view text) {
  Digester digester("auth_request");
  digester.add(lent.config.counted.serial);
  digester.add(uint64_t{reinterpret_cast<uintptr_t>(&route)});
  digester.add(lent.client_address.has_ip() ? lent.client_address.host_text()
                                            : lent.client_address.text());
  digester.add(text);
  return digester.finish();
}

}  // namespace sluice
