// Cidr: a range of IP addresses, such as 10.0.0.0/8 (RFC 4632) or 2001:db8::/32 (RFC 4291 2.3).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "net/address.h"
#include "net/result.h"

namespace sluice {

// An address mapped into IPv6 (::ffff:192.0.2.1, RFC 4291 2.5.5.2) as the IPv4 address that it is;
// any other one unchanged.
Address without_mapping(const Address& address);

// A value. Mapped IPv4 addresses, in a range and in what is asked about, are IPv4.
class Cidr {
 public:
  // "192.0.2.1", "10.0.0.0/8", "::1", "2001:db8::/32", without brackets, ports and names. A Fault
  // where bits are set behind the prefix: the range that was meant is anybody's guess.
  static Result<Cidr> parse(std::string_view text);

  bool holds(const Address& address) const;
  // It takes every address of its family.
  bool is_all() const { return prefix_bits_ == 0; }
  std::string text() const;

  friend bool operator==(const Cidr&, const Cidr&) = default;

 private:
  std::array<uint8_t, 16> bytes_{};  // of an IPv4 address the first four
  uint8_t prefix_bits_ = 0;
  bool v4_ = false;
};

}  // namespace sluice
