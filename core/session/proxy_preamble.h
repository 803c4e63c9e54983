// The PROXY header that goes to a peer before everything else (send_proxy_protocol).
#pragma once

#include <string>

#include "core/config.h"
#include "core/session/client_address.h"
#include "protocol/proxy_protocol.h"

namespace sluice {

// "" where the route sends none. `destination` is what the client connected to. Where only one of
// both is IPv4, it is mapped into IPv6, for a header has one family; where one is a unix socket,
// the header names nobody.
std::string proxy_preamble(SendProxyProtocol version, const ClientAddress& client,
                           const ClientAddress& destination, const ProxyTlvs& tlvs);

}  // namespace sluice
