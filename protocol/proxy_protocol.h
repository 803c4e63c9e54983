// PROXY protocol: the header in which a balancer says whom it speaks for, before the first byte of
// the connection itself (HAProxy's proxy-protocol.txt, versions 1 and 2, read and written).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sluice {

// The longest header of version 1, its CR LF included (proxy-protocol.txt 2.1).
inline constexpr size_t most_proxy_v1_bytes = 107;
// A header of version 2 could hold 65,551 bytes; what balancers send, TLVs with a client's
// certificate included, fits into these. Who waits for one owns no more than that.
inline constexpr size_t most_proxy_header_bytes = 4096;

struct ProxyEndpoint {
  std::array<uint8_t, 16> ip{};  // in network order; of an IPv4 address the first four
  uint16_t port = 0;
};

struct ProxyHeader {
  enum class Family : uint8_t {
    none,  // LOCAL, UNKNOWN, UNSPEC: the connection's own addresses stand
    ip4,
    ip6,
    unix_socket,  // its paths are not kept
  };

  size_t bytes = 0;  // of the header; behind it the connection itself begins
  Family family = Family::none;
  ProxyEndpoint source;       // of ip4 and ip6: the client
  ProxyEndpoint destination;  // and what it connected to
  bool over_tls = false;      // the client spoke TLS to the balancer (PP2_TYPE_SSL)
};

struct ProxyParse {
  enum class Outcome : uint8_t { more, header, bad };

  Outcome outcome = Outcome::more;
  ProxyHeader header;       // after `header`
  const char* reason = "";  // after `bad`: static text
};

// What a header of version 2 tells besides (2.2.1 to 2.2.5); what is empty is left out.
struct ProxyTlvs {
  std::string_view alpn;       // the protocol that is spoken behind the header
  std::string_view authority;  // the host that the client asked for
  std::string_view unique_id;  // of the connection, at most 128 bytes
};

// The header that names these two endpoints. Where the family is none or unix_socket, version 1
// says UNKNOWN, and version 2 UNSPEC.
std::string write_proxy_v1(const ProxyHeader& header);
std::string write_proxy_v2(const ProxyHeader& header, const ProxyTlvs& tlvs);
// Version 2 of a connection that is the proxy's own (2.2, LOCAL): a check's.
std::string write_proxy_v2_local();

// Reads the header at the front of `bytes`, which hold all that has come so far: it keeps nothing
// between calls. What is bad is told at the first byte that makes it so, at most at
// most_proxy_header_bytes. A checksum (PP2_TYPE_CRC32C) must be right; other TLVs are skipped.
ProxyParse parse_proxy_header(std::span<const uint8_t> bytes);

}  // namespace sluice
