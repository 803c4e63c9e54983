// Safe by default: suites and groups are those of Mozilla's intermediate profile (5.7).
#include "tls/context.h"

#include <openssl/err.h>

#include <algorithm>
#include <new>

namespace sluice {

namespace {

constexpr const char* default_suites =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* default_suites_13 =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* groups = "X25519:P-256";
constexpr unsigned char alpn[] = {2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
constexpr size_t http2_bytes = 3;  // of them

// Splits a cipher list by version: what begins with TLS_ is TLS 1.3's.
void split_ciphers(const std::string& ciphers, std::string& suites, std::string& suites_13) {
  for (size_t at = 0; at < ciphers.size();) {
    const size_t end = std::min(ciphers.find(':', at), ciphers.size());
    const std::string name = ciphers.substr(at, end - at);
    std::string& list = name.starts_with("TLS_") ? suites_13 : suites;
    if (!list.empty()) list += ':';
    list += name;
    at = end + 1;
  }
  if (suites.empty()) suites = default_suites;
  if (suites_13.empty()) suites_13 = default_suites_13;
}

bool apply(const TlsPolicy& policy, SSL_CTX* context) {
  std::string suites;
  std::string suites_13;
  split_ciphers(policy.ciphers, suites, suites_13);
  suites += ":!aNULL:!eNULL";
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  // An idle connection keeps no buffers: its transport frees them, once a call, where
  // SSL_MODE_RELEASE_BUFFERS would do so for every record, and leave one behind for every ticket.
  SSL_CTX_clear_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_verify_depth(context, static_cast<int>(policy.verify_depth));
  SSL_CTX_set_max_cert_list(context, static_cast<long>(policy.chain_bytes));
  const int lowest = policy.protocols.tls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
  const int highest = policy.protocols.tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
  return SSL_CTX_set_min_proto_version(context, lowest) == 1 &&
         SSL_CTX_set_max_proto_version(context, highest) == 1 &&
         SSL_CTX_set_cipher_list(context, suites.c_str()) == 1 &&
         SSL_CTX_set_ciphersuites(context, suites_13.c_str()) == 1 &&
         SSL_CTX_set1_groups_list(context, groups) == 1;
}

}  // namespace

void add_to(Digester& digester, const TlsPolicy& policy) {
  digester.add(uint64_t{policy.protocols.tls12}).add(uint64_t{policy.protocols.tls13});
  digester.add(policy.ciphers).add(policy.verify_depth).add(policy.chain_bytes);
  digester.add(policy.revoked.digest()).add(policy.resumption.lifetime_s);
  digester.add(reinterpret_cast<uintptr_t>(policy.resumption.clock));
}

ContextPtr make_context(const SSL_METHOD* method, const TlsPolicy& policy) {
  ContextPtr context(SSL_CTX_new(method));
  if (context == nullptr || !apply(policy, context.get())) return nullptr;
  return context;
}

bool show(const Credentials& credentials, SSL_CTX* context) {
  if (SSL_CTX_use_certificate(context, credentials.certificate.get()) != 1) return false;
  for (const CertificatePtr& each : credentials.chain) {
    if (SSL_CTX_add1_chain_cert(context, each.get()) != 1) return false;
  }
  return SSL_CTX_use_PrivateKey(context, credentials.key.get()) == 1;
}

bool name_sessions(const Digest& identity, SSL_CTX* context) {
  static_assert(sizeof(Digest) == SSL_MAX_SID_CTX_LENGTH);
  return SSL_CTX_set_session_id_context(context, identity.data(), SSL_MAX_SID_CTX_LENGTH) == 1;
}

Fault openssl_fault() {
  return Fault{take_openssl_reason(), 0};
}

std::span<const unsigned char> offered_protocols(Alpn offer) {
  const std::span<const unsigned char> both(alpn);
  switch (offer) {
    case Alpn::http1:
      return both.subspan(http2_bytes);
    case Alpn::http2:
      return both.first(http2_bytes);
    case Alpn::http2_or_http1:
      break;
  }
  return both;
}

std::unique_ptr<TlsTransport> new_connection(SSL_CTX* context, int fd,
                                             uint32_t records_without_data) {
  SslPtr ssl(SSL_new(context));
  if (ssl == nullptr) throw std::bad_alloc();
  auto transport = make_tls_transport(ssl.get(), fd, records_without_data);
  ssl.release();  // the transport's
  return transport;
}

std::optional<std::string> unknown_cipher(const std::string& ciphers) {
  const ContextPtr context(SSL_CTX_new(TLS_method()));
  for (size_t at = 0; at <= ciphers.size();) {
    const size_t end = std::min(ciphers.find(':', at), ciphers.size());
    const std::string name = ciphers.substr(at, end - at);
    const bool known =
        !name.empty() &&
        (name.starts_with("TLS_") ? SSL_CTX_set_ciphersuites(context.get(), name.c_str()) == 1
                                  : SSL_CTX_set_cipher_list(context.get(), name.c_str()) == 1);
    ERR_clear_error();
    if (!known) return name;
    at = end + 1;
  }
  return std::nullopt;
}

}  // namespace sluice
