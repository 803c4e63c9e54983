// The request that goes to one peer: made of the client's, the route's directives and what is known
// of the client.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/config.h"
#include "core/session/dial.h"
#include "core/session/real_client.h"
#include "core/session/session_context.h"
#include "protocol/handshake.h"
#include "protocol/jwt.h"
#include "protocol/plain_http.h"
#include "tls/transport.h"

namespace sluice {

// A request as its client made it; all outlive the call.
struct ClientRequest {
  const RequestHead& head;
  const UpgradeRequest& upgrade;
  std::span<const std::string_view> protocols;  // of those offered, what the route lets pass
  const TlsTransport* tls;                      // the client's; null: it speaks none
  const Hop& hop;                               // whom the connection comes from
  std::string_view rewritten = {};              // the path that rewrite_path made; "": as it came
  const Head* authorized = nullptr;             // what the authorizer answered; null: not asked
  const JwtClaims* claims = nullptr;            // of its token; null: none is demanded
  std::string_view user = {};                   // of auth_basic; "": none was asked for
};

// The route as it is with the upstream that the request is to go to (upstream_by); null where it
// names none for what the request has.
const RouteConfig* choose_upstream(const SessionContext& lent, const RouteConfig& route,
                                   const ClientRequest& client);

// Which peer of an upstream with these settings the request wants.
Dial::Wish wish_of(const SessionContext& lent, const UpstreamSettings& settings,
                   const ClientRequest& client);

// The value of a Set-Cookie (RFC 6265 4.1) that names the peer with that token, for `wish`'s
// request; "" where none is needed.
std::string sticky_cookie(const Sticky& sticky, std::string_view token, const Dial::Wish& wish,
                          bool secure);

// The location of a redirect, for that request; "" where a variable has no value in it, or the
// whole is no header field's.
std::string location_for(const SessionContext& lent, const HeaderValue& location,
                         const ClientRequest& client);

// The head of an upgrade as HTTP/1.1, or with `framing` that of a plain request, whose connection
// may stay where `keep_alive` is set. Fields that the client sent and the peer will not see are
// told in the log: names that the conf may let pass at info, a stranger's forwarding fields at
// debug.
std::string request_for_peer(const SessionContext& lent, const RouteConfig& route, const Peer& peer,
                             const ClientRequest& client, const MessageFraming* framing = nullptr,
                             bool keep_alive = false);

}  // namespace sluice
