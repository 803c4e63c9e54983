// Who the client is where trusted proxies stand in front of it, by what they say in a field.
#pragma once

#include "core/config.h"
#include "core/session/client_address.h"
#include "protocol/head.h"

namespace sluice {

// Whom the connection comes from, or the PROXY header names: the hop before this proxy.
struct Hop {
  ClientAddress address;
  bool trusted = false;   // by the listener's trusted_proxies
  bool over_tls = false;  // to us, or, as its PROXY header says, to the balancer
};

// The client behind a hop: `hop` itself where it is not trusted. Else the list of all fields named
// `field`, as one list (RFC 9110 5.3), is walked from the right, for each proxy has added whom it
// got the request from: the first address that is not trusted is the client. Where the list ends,
// or an entry is no address, the last one before it is, as nginx's realip has it with recursive on.
// Entries are IP addresses, with a port or without; IPv6 ones may stand in brackets.
ClientAddress real_client(const Head& head, std::string_view field, const TrustedProxies& trusted,
                          const ClientAddress& hop);

}  // namespace sluice
