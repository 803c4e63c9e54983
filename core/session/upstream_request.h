// The request that goes to one peer: made of the client's, the route's directives and what is known
// of the client.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/config.h"
#include "core/session/session_context.h"
#include "protocol/handshake.h"
#include "tls/transport.h"

namespace sluice {

// A request as its client made it; all outlive the call.
struct ClientRequest {
  const RequestHead& head;
  const UpgradeRequest& upgrade;
  std::span<const std::string_view> protocols;  // of those offered, what the route lets pass
  const TlsTransport* tls;                      // the client's; null: it speaks none
};

// The head as HTTP/1.1. Fields that the client sent and the peer will not see are told in the log:
// names that the conf may let pass at info, a stranger's forwarding fields at debug.
std::string request_for_peer(const SessionContext& lent, const RouteConfig& route, const Peer& peer,
                             const ClientRequest& client);

}  // namespace sluice
