// A range is compared as whole bytes and what is left of one.
#include "net/cidr.h"

#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace sluice {

namespace {

constexpr unsigned mapping_bits = 96;

// The bytes of an IP address; 0 of them where it is none.
size_t bytes_of(const Address& address, std::array<uint8_t, 16>& bytes) {
  if (address.family() == AF_INET) {
    const auto* ip = reinterpret_cast<const sockaddr_in*>(address.raw());
    std::memcpy(bytes.data(), &ip->sin_addr, sizeof ip->sin_addr);
    return sizeof ip->sin_addr;
  }
  if (address.family() != AF_INET6) return 0;
  const auto* ip = reinterpret_cast<const sockaddr_in6*>(address.raw());
  std::memcpy(bytes.data(), &ip->sin6_addr, sizeof ip->sin6_addr);
  return sizeof ip->sin6_addr;
}

bool begins_alike(const std::array<uint8_t, 16>& a, const std::array<uint8_t, 16>& b,
                  unsigned bits) {
  const size_t whole = bits / 8;
  if (!std::equal(a.begin(), a.begin() + whole, b.begin())) return false;
  const unsigned rest = bits % 8;
  return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

bool is_mapped(const Address& address) {
  if (address.family() != AF_INET6) return false;
  return IN6_IS_ADDR_V4MAPPED(&reinterpret_cast<const sockaddr_in6*>(address.raw())->sin6_addr);
}

// The address that both `bytes` and a prefix of so many bits describe.
Address address_of(const std::array<uint8_t, 16>& bytes, bool v4) {
  if (v4) {
    sockaddr_in ip{};
    ip.sin_family = AF_INET;
    std::memcpy(&ip.sin_addr, bytes.data(), sizeof ip.sin_addr);
    return Address::from_sockaddr(reinterpret_cast<const sockaddr*>(&ip), sizeof ip);
  }
  sockaddr_in6 ip{};
  ip.sin6_family = AF_INET6;
  std::memcpy(&ip.sin6_addr, bytes.data(), sizeof ip.sin6_addr);
  return Address::from_sockaddr(reinterpret_cast<const sockaddr*>(&ip), sizeof ip);
}

}  // namespace

Address without_mapping(const Address& address) {
  if (!is_mapped(address)) return address;
  std::array<uint8_t, 16> bytes{};
  bytes_of(address, bytes);
  std::copy(bytes.begin() + mapping_bits / 8, bytes.end(), bytes.begin());
  Address plain = address_of(bytes, /*v4=*/true);
  plain.set_port(address.port());
  return plain;
}

Result<Cidr> Cidr::parse(std::string_view text) {
  const size_t slash = text.find('/');
  const Result<Address> address = Address::from_ip(text.substr(0, slash), 0);
  if (!address.ok()) return address.fault();
  const unsigned most = address.value().family() == AF_INET ? 32 : 128;
  unsigned bits = most;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (error != std::errc() || end != digits.data() + digits.size() || bits > most) {
      return Fault{most == 32 ? "behind the / stands a number from 0 to 32"
                              : "behind the / stands a number from 0 to 128"};
    }
  }
  const bool mapped = is_mapped(address.value()) && bits >= mapping_bits;
  if (mapped) bits -= mapping_bits;
  const Address plain = mapped ? without_mapping(address.value()) : address.value();
  Cidr range;
  range.v4_ = plain.family() == AF_INET;
  range.prefix_bits_ = static_cast<uint8_t>(bits);
  const size_t bytes = bytes_of(plain, range.bytes_);
  for (unsigned at = bits; at < bytes * 8; ++at) {
    if ((range.bytes_[at / 8] & (0x80u >> at % 8)) == 0) continue;
    return Fault{"bits are set behind the prefix"};
  }
  return range;
}

bool Cidr::holds(const Address& address) const {
  std::array<uint8_t, 16> bytes{};
  const size_t count = bytes_of(without_mapping(address), bytes);
  return count == (v4_ ? 4u : 16u) && begins_alike(bytes, bytes_, prefix_bits_);
}

std::string Cidr::text() const {
  return address_of(bytes_, v4_).host_text() + "/" + std::to_string(prefix_bits_);
}

}  // namespace sluice
