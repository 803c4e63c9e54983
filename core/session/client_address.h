// ClientAddress: the client's address that an idle session keeps, in 20 bytes instead of the 128 of
// the kernel's form. An IPv4 address mapped into IPv6 is the IPv4 address.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "net/address.h"
#include "net/cidr.h"

namespace sluice {

class ClientAddress {
 public:
  ClientAddress() = default;
  explicit ClientAddress(const Address& given) {
    const Address address = without_mapping(given);
    port_ = address.port();
    family_ = static_cast<uint16_t>(address.family());
    if (family_ == AF_INET) {
      const auto* ip = reinterpret_cast<const sockaddr_in*>(address.raw());
      std::memcpy(ip_, &ip->sin_addr, sizeof ip->sin_addr);
    } else if (family_ == AF_INET6) {
      const auto* ip = reinterpret_cast<const sockaddr_in6*>(address.raw());
      std::memcpy(ip_, &ip->sin6_addr, sizeof ip->sin6_addr);
    }
  }

  // 0 of a unix socket, and where a trusted proxy names the client without one.
  uint16_t port() const { return port_; }
  // "127.0.0.1:80", "[::1]:80", "unix:", and host_text() where the port is not known.
  std::string text() const { return port_ == 0 ? host_text() : address().text(); }
  // False for clients of a unix socket.
  bool has_ip() const { return family_ == AF_INET || family_ == AF_INET6; }
  bool is_v4() const { return family_ == AF_INET; }
  // Of an IPv4 address the first four, else all; zeros where there is none.
  std::span<const uint8_t> ip() const { return ip_; }
  // "127.0.0.1", "::1", "unix:".
  std::string host_text() const { return address().host_text(); }

  // As it was given, but for a mapping.
  Address address() const {
    if (family_ == AF_INET) {
      sockaddr_in ip{};
      ip.sin_family = AF_INET;
      ip.sin_port = htons(port_);
      std::memcpy(&ip.sin_addr, ip_, sizeof ip.sin_addr);
      return Address::from_sockaddr(reinterpret_cast<const sockaddr*>(&ip), sizeof ip);
    }
    if (family_ == AF_INET6) {
      sockaddr_in6 ip{};
      ip.sin6_family = AF_INET6;
      ip.sin6_port = htons(port_);
      std::memcpy(&ip.sin6_addr, ip_, sizeof ip.sin6_addr);
      return Address::from_sockaddr(reinterpret_cast<const sockaddr*>(&ip), sizeof ip);
    }
    const sockaddr nameless{AF_UNIX, {}};
    return Address::from_sockaddr(&nameless, sizeof nameless.sa_family);
  }

 private:
  uint8_t ip_[16] = {};
  uint16_t port_ = 0;
  uint16_t family_ = 0;
};

}  // namespace sluice
