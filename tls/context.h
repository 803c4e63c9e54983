// What the OpenSSL contexts of both roles have in common: a policy, and how it is put into a
// context. TlsServer (tls/server.h) and TlsClient (tls/client.h) are made with it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "net/result.h"
#include "tls/credentials.h"
#include "tls/digest.h"
#include "tls/pem.h"
#include "tls/resumption.h"
#include "tls/transport.h"

namespace sluice {

struct TlsProtocols {
  bool tls12 = true;
  bool tls13 = true;
};

// The settings of both roles. `ciphers` are OpenSSL's names, TLS 1.3's (TLS_...) among them, joined
// by ':'; "" stands for Mozilla's intermediate suites, and half a list for those of the other
// version.
struct TlsPolicy {
  TlsProtocols protocols;
  std::string ciphers;
  // Limits of the chain that a peer shows: intermediates between its certificate and the trusted
  // authority, and bytes, which are received before anything is verified.
  uint32_t verify_depth = 4;
  uint32_t chain_bytes = 20 * 1024;
  uint32_t records_without_data = 32;  // as TlsTransport counts them; 0: any number
  Pem revoked{};                       // CRLs, one of each issuer met; empty: none is asked
  ResumptionPolicy resumption{};       // by tickets of ours, or of a server's
};

// Everything of it that goes into a context.
void add_to(Digester& digester, const TlsPolicy& policy);

// A context of that method with what the policy says of it. Null, and OpenSSL's error queue says
// why, where a setting cannot be taken.
ContextPtr make_context(const SSL_METHOD* method, const TlsPolicy& policy);
// False, and the error queue says why, where OpenSSL refuses them.
bool show(const Credentials& credentials, SSL_CTX* context);
// Sessions are resumed only where what they were made with still stands: `identity` is the digest
// of all of it.
bool name_sessions(const Digest& identity, SSL_CTX* context);
// Why OpenSSL refused something; empties the error queue.
Fault openssl_fault();

// What is offered, or served, by ALPN.
enum class Alpn : uint8_t { http1, http2_or_http1, http2 };

// As an extension lists them (RFC 7301 3.1).
std::span<const unsigned char> offered_protocols(Alpn offer);

// A connection without a role. Throws std::bad_alloc.
std::unique_ptr<TlsTransport> new_connection(SSL_CTX* context, int fd,
                                             uint32_t records_without_data);

// The first name in a ':'-separated list of ciphers that OpenSSL does not know; "" is none either.
std::optional<std::string> unknown_cipher(const std::string& ciphers);

}  // namespace sluice
