// Bytes are peeked at until the header is whole. What was peeked at stays in the socket, and the
// kernel reports an edge for each arrival, whatever is still unread. A peek that saw all that there
// was leaves the leg readable: only a receive finds out.
#include "core/session/proxy_header.h"

#include <array>
#include <cstring>

namespace sluice {

namespace {

ClientAddress address_of(ProxyHeader::Family family, const ProxyEndpoint& endpoint,
                         const ClientAddress& own) {
  switch (family) {
    case ProxyHeader::Family::none:
      return own;
    case ProxyHeader::Family::ip4: {
      sockaddr_in ip{};
      ip.sin_family = AF_INET;
      ip.sin_port = htons(endpoint.port);
      std::memcpy(&ip.sin_addr, endpoint.ip.data(), sizeof ip.sin_addr);
      return ClientAddress(
          Address::from_sockaddr(reinterpret_cast<const sockaddr*>(&ip), sizeof ip));
    }
    case ProxyHeader::Family::ip6: {
      sockaddr_in6 ip{};
      ip.sin6_family = AF_INET6;
      ip.sin6_port = htons(endpoint.port);
      std::memcpy(&ip.sin6_addr, endpoint.ip.data(), sizeof ip.sin6_addr);
      return ClientAddress(
          Address::from_sockaddr(reinterpret_cast<const sockaddr*>(&ip), sizeof ip));
    }
    case ProxyHeader::Family::unix_socket:
      break;
  }
  const sockaddr nameless{AF_UNIX, {}};
  return ClientAddress(Address::from_sockaddr(&nameless, sizeof nameless.sa_family));
}

}  // namespace

ProxyHeaderReader::Step ProxyHeaderReader::run() {
  if (!client_.readable) return Step::wait;
  std::array<uint8_t, most_proxy_header_bytes> bytes;
  const Io io = client_.peek(bytes);
  if (io.state == Io::State::blocked) return Step::wait;
  if (io.state != Io::State::open) return Step::left;
  heard_ = true;
  if (!trusted_.trust(hop_.address())) return Step::untrusted;
  const ProxyParse parsed = parse_proxy_header(std::span(bytes).first(io.bytes));
  switch (parsed.outcome) {
    case ProxyParse::Outcome::more:
      return Step::wait;  // for the edge of what is missing
    case ProxyParse::Outcome::bad:
      reason_ = parsed.reason;
      return Step::bad;
    case ProxyParse::Outcome::header:
      break;
  }
  header_ = parsed.header;
  return take();
}

ProxyHeaderReader::Step ProxyHeaderReader::take() {
  std::array<uint8_t, most_proxy_header_bytes> bytes;
  for (size_t left = header_.bytes; left > 0;) {
    const iovec piece{bytes.data(), left};
    const Io io = client_.recv({&piece, 1});
    if (io.state != Io::State::open) return Step::left;
    left -= io.bytes;
  }
  return Step::done;
}

ClientAddress client_of(const ProxyHeader& header, const ClientAddress& own) {
  return address_of(header.family, header.source, own);
}

ClientAddress destination_of(const ProxyHeader& header, const ClientAddress& own) {
  return address_of(header.family, header.destination, own);
}

}  // namespace sluice
