// Addresses from the kernel's form into that of the header.
#include "core/session/proxy_preamble.h"

#include <cstring>

namespace sluice {

namespace {

using Family = ProxyHeader::Family;

// As IPv6, mapped where it is IPv4 and `v6` asks for it.
ProxyEndpoint endpoint_of(const ClientAddress& client, bool v6) {
  const Address address = client.address();
  ProxyEndpoint endpoint;
  endpoint.port = address.port();
  if (address.family() == AF_INET6) {
    const auto* ip = reinterpret_cast<const sockaddr_in6*>(address.raw());
    std::memcpy(endpoint.ip.data(), &ip->sin6_addr, sizeof ip->sin6_addr);
    return endpoint;
  }
  constexpr size_t mapping_bytes = 12;  // RFC 4291 2.5.5.2
  if (v6) endpoint.ip[10] = endpoint.ip[11] = 0xff;
  const auto* ip = reinterpret_cast<const sockaddr_in*>(address.raw());
  std::memcpy(endpoint.ip.data() + (v6 ? mapping_bytes : 0), &ip->sin_addr, sizeof ip->sin_addr);
  return endpoint;
}

}  // namespace

std::string proxy_preamble(SendProxyProtocol version, const ClientAddress& client,
                           const ClientAddress& destination, const ProxyTlvs& tlvs) {
  if (version == SendProxyProtocol::off) return "";
  ProxyHeader header;
  if (client.has_ip() && destination.has_ip()) {
    const bool v6 =
        client.address().family() == AF_INET6 || destination.address().family() == AF_INET6;
    header.family = v6 ? Family::ip6 : Family::ip4;
    header.source = endpoint_of(client, v6);
    header.destination = endpoint_of(destination, v6);
  }
  return version == SendProxyProtocol::v1 ? write_proxy_v1(header) : write_proxy_v2(header, tlvs);
}

}  // namespace sluice
