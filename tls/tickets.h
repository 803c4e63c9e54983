// Session tickets (RFC 5077, RFC 8446 4.6.1): the keys that seal them. The master makes and rotates
// the keys, every worker uses the same ones, so that a client resumes at whichever it meets.
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>

#include "tls/openssl_ptr.h"
#include "tls/resumption.h"

namespace sluice {

struct TicketKey {
  std::array<uint8_t, 16> name{};
  std::array<uint8_t, 32> cipher_key{};  // AES-256-CBC
  std::array<uint8_t, 32> mac_key{};     // HMAC-SHA-256
};

// `current` seals; `previous` still opens, so that a ticket lives through one rotation.
struct TicketKeys {
  TicketKey current;
  TicketKey previous;
};
static_assert(std::is_trivially_copyable_v<TicketKeys>, "it crosses the control channel as bytes");

// Two fresh random keys.
TicketKeys make_ticket_keys();
// A fresh current key; the one before becomes the previous one, and its predecessor is wiped.
void rotate_ticket_keys(TicketKeys& keys);

// The keys that every context of this process uses from now on.
void use_ticket_keys(const TicketKeys& keys);

// Lets `context` seal and open tickets with the keys in use. Each holds when its client was first
// authenticated and when its certificate ends, and opens as long as `policy`, which must outlive
// the context, allows it: a renewed one no longer than the first.
void enable_tickets(SSL_CTX* context, const ResumptionPolicy& policy);
void disable_tickets(SSL_CTX* context);

}  // namespace sluice
