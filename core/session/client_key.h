// ClientKey: whom something is counted for, by a hash with a secret, so that no stranger can choose
// addresses that fall together.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "core/ids.h"
#include "core/session/client_address.h"
#include "net/sip_hash.h"

namespace sluice {

// Never 0, which stands for nobody in the tables.
enum class ClientKey : uint64_t {};

// What is counted of them; each has keys of its own.
enum class KeyKind : uint8_t { at_listener, on_route, route, handshakes_on_route };

// A client is an IPv4 address, or the /64 of an IPv6 one, which a single customer has whole
// (RFC 6177). Clients of unix sockets are nobody.
class ClientKeys {
 public:
  ClientKeys() = default;
  explicit ClientKeys(const SipKey& secret) : secret_(secret) {}

  std::optional<ClientKey> at_listener(const ClientAddress& client, ListenerId listener) const {
    return of_client(client, KeyKind::at_listener, static_cast<uint32_t>(listener));
  }
  std::optional<ClientKey> on_route(const ClientAddress& client, RouteId route) const {
    return of_client(client, KeyKind::on_route, static_cast<uint32_t>(route));
  }
  std::optional<ClientKey> handshakes_on(const ClientAddress& client, RouteId route) const {
    return of_client(client, KeyKind::handshakes_on_route, static_cast<uint32_t>(route));
  }
  ClientKey route(RouteId route) const {
    return hashed(first_bytes(KeyKind::route, 0, static_cast<uint32_t>(route)));
  }

 private:
  using Bytes = std::array<uint8_t, 16>;

  static Bytes first_bytes(KeyKind kind, uint8_t family, uint32_t id) {
    Bytes bytes{static_cast<uint8_t>(kind), family};
    for (unsigned i = 0; i < 4; ++i) bytes[4 + i] = static_cast<uint8_t>(id >> (8 * i));
    return bytes;
  }
  std::optional<ClientKey> of_client(const ClientAddress& client, KeyKind kind, uint32_t id) const {
    if (!client.has_ip()) return std::nullopt;
    const auto prefix = client.is_v4() ? client.ip().first(4) : client.ip().first(8);
    Bytes bytes = first_bytes(kind, client.is_v4() ? 4 : 6, id);
    std::copy(prefix.begin(), prefix.end(), bytes.begin() + 8);
    return hashed(bytes);
  }
  ClientKey hashed(const Bytes& bytes) const {
    const uint64_t hash = sip_hash(secret_, bytes);
    return ClientKey{hash != 0 ? hash : 1};
  }

  SipKey secret_{};
};

}  // namespace sluice
