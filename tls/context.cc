// Contexts: safe by default. Suites and groups are those of Mozilla's intermediate profile (5.7).
#include "tls/context.h"

#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <new>

#include "net/check.h"
#include "tls/server_name.h"
#include "tls/tickets.h"

namespace sluice {

namespace {

constexpr const char* default_suites =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* default_suites_13 =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* groups = "X25519:P-256";
// RFC 7301 3.1, one name: HTTP/2 is not spoken.
constexpr unsigned char alpn[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

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

bool apply(const Credentials& credentials, SSL_CTX* context) {
  if (SSL_CTX_use_certificate(context, credentials.certificate.get()) != 1) return false;
  for (const CertificatePtr& each : credentials.chain) {
    if (SSL_CTX_add1_chain_cert(context, each.get()) != 1) return false;
  }
  return SSL_CTX_use_PrivateKey(context, credentials.key.get()) == 1;
}

Fault refused() {
  return Fault{take_openssl_reason(), 0};
}

// Strict: who offers protocols must offer ours (RFC 7301 3.2).
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_bytes,
                    const unsigned char* offered, unsigned int offered_bytes, void*) {
  unsigned char* found = nullptr;
  const int outcome =
      SSL_select_next_proto(&found, chosen_bytes, alpn, sizeof alpn, offered, offered_bytes);
  *chosen = found;
  return outcome == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

int staple(SSL* ssl, void* response_string) {
  const auto& response = *static_cast<const std::string*>(response_string);
  auto* copy = static_cast<unsigned char*>(OPENSSL_memdup(response.data(), response.size()));
  if (copy == nullptr) return SSL_TLSEXT_ERR_NOACK;
  SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(response.size()));  // takes it over
  return SSL_TLSEXT_ERR_OK;
}

Result<StorePtr> load_system_authorities() {
  StorePtr store(X509_STORE_new());
  SLUICE_CHECK(store != nullptr);
  if (X509_STORE_set_default_paths(store.get()) != 1) return refused();
  return store;
}

Status ask_for_certificate(const TlsServerSettings& settings, SSL_CTX* context) {
  if (settings.verify_client == VerifyClient::off) return Done{};
  Result<StorePtr> store = parse_authorities(settings.client_authorities);
  if (!store.ok()) return store.fault();
  STACK_OF(X509_NAME)* names = sk_X509_NAME_new_null();
  STACK_OF(X509_OBJECT)* anchors = X509_STORE_get0_objects(store.value().get());
  for (int i = 0; i < sk_X509_OBJECT_num(anchors); ++i) {
    const X509* anchor = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(anchors, i));
    if (anchor != nullptr) {
      sk_X509_NAME_push(names, X509_NAME_dup(X509_get_subject_name(anchor)));
    }
  }
  SSL_CTX_set_client_CA_list(context, names);
  const std::string& revoked = settings.policy.revoked;
  if (!revoked.empty()) {
    if (Status added = add_revocations(revoked, store.value().get()); !added.ok()) return added;
  }
  SSL_CTX_set_cert_store(context, store.value().release());
  const bool needed = settings.verify_client == VerifyClient::on;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (needed ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                     TlsTransport::on_verified);
  return Done{};
}

std::string digest_of(const Credentials& credentials) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int bytes = 0;
  if (X509_digest(credentials.certificate.get(), EVP_sha256(), digest, &bytes) != 1) return "";
  return {reinterpret_cast<const char*>(digest), bytes};
}

using IdentityDigest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;
static_assert(SHA256_DIGEST_LENGTH == SSL_MAX_SID_CTX_LENGTH);

// Sessions are resumed only where what they were made with still stands: `identity` is all of it.
bool name_sessions(const std::string& identity, SSL_CTX* context, IdentityDigest& digest) {
  SHA256(reinterpret_cast<const unsigned char*>(identity.data()), identity.size(), digest.data());
  return SSL_CTX_set_session_id_context(context, digest.data(), SSL_MAX_SID_CTX_LENGTH) == 1;
}

// The certificate that clients saw, and what was demanded of theirs.
std::string identity_of(const TlsServerSettings& settings) {
  std::string identity = digest_of(settings.credentials.front());
  identity += static_cast<char>(settings.verify_client);
  identity += settings.client_authorities;
  identity += settings.policy.revoked;  // who was revoked since shows a certificate again
  return identity;
}

// The certificate that we showed, and what was demanded of the server's.
std::string identity_of(const TlsClientSettings& settings) {
  std::string identity = settings.credentials != nullptr ? digest_of(*settings.credentials) : "";
  identity += settings.verify ? 'v' : '-';
  identity.append(settings.server_name).push_back('\0');
  identity.append(settings.authorities).push_back('\0');
  identity += settings.policy.revoked;
  return identity;
}

bool made_with(const SSL_SESSION* session, const IdentityDigest& identity) {
  unsigned int bytes = 0;
  const unsigned char* const made = SSL_SESSION_get0_id_context(session, &bytes);
  return bytes == identity.size() && std::equal(identity.begin(), identity.end(), made);
}

int slot_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

// When a connection toward a server began, in seconds since 1970, in a pointer's place.
int beginning_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

// A ticket that renews a resumed session carries that session's mark. It may come long after the
// TLS handshake; the beginning of the handshake counts.
int keep_session(SSL* ssl, SSL_SESSION* session) {
  auto* slot = static_cast<TlsSessionSlot*>(SSL_get_ex_data(ssl, slot_index()));
  if (slot == nullptr) return 0;
  const auto began_s = reinterpret_cast<int64_t>(SSL_get_ex_data(ssl, beginning_index()));
  if (SSL_session_reused(ssl) == 0 && !mark_session(session, authentication_of(ssl, began_s))) {
    return 0;
  }
  slot->keep(session);
  return 1;  // the reference is the slot's
}

// The name that the certificate must carry, and that SNI carries unless it is an address.
bool expect_name(SSL* ssl, const std::string& name, bool verify) {
  X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl);
  if (X509_VERIFY_PARAM_set1_ip_asc(parameters, name.c_str()) == 1) return true;
  ERR_clear_error();  // no address: a name
  if (SSL_set_tlsext_host_name(ssl, name.c_str()) != 1) return false;
  if (!verify) return true;
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_host(parameters, name.c_str(), name.size()) == 1;
}

// Whom a client trusts.
Status trust(const TlsClientSettings& settings, SSL_CTX* context) {
  const std::string& revoked = settings.policy.revoked;
  if (settings.authorities.empty() && system_authorities() == nullptr) {
    return Fault{"the system has no certificates to verify with; give tls_ca", 0};
  }
  if (settings.authorities.empty() && revoked.empty()) {
    SSL_CTX_set1_cert_store(context, system_authorities());
    return Done{};
  }
  // With CRLs it needs a store of its own.
  Result<StorePtr> store = settings.authorities.empty() ? load_system_authorities()
                                                        : parse_authorities(settings.authorities);
  if (!store.ok()) return store.fault();
  if (!revoked.empty()) {
    if (Status added = add_revocations(revoked, store.value().get()); !added.ok()) return added;
  }
  SSL_CTX_set_cert_store(context, store.value().release());
  return Done{};
}

std::unique_ptr<TlsTransport> new_connection(SSL_CTX* context, int fd,
                                             uint32_t records_without_data) {
  SslPtr ssl(SSL_new(context));
  if (ssl == nullptr) throw std::bad_alloc();
  auto transport = make_tls_transport(ssl.get(), fd, records_without_data);
  ssl.release();  // the transport's
  return transport;
}

}  // namespace

Result<std::unique_ptr<TlsServer>> TlsServer::make(TlsServerSettings settings) {
  ERR_clear_error();
  std::unique_ptr<TlsServer> server(new TlsServer);
  server->resumption_ = settings.policy.resumption;
  server->records_without_data_ = settings.policy.records_without_data;
  IdentityDigest identity;
  for (Credentials& each : settings.credentials) {
    auto shown = std::make_unique<ServedCertificate>();
    shown->context.reset(SSL_CTX_new(TLS_server_method()));
    SSL_CTX* const context = shown->context.get();
    if (context == nullptr || !apply(settings.policy, context) || !apply(each, context) ||
        !name_sessions(identity_of(settings), context, identity)) {
      return refused();
    }
    if (const Status asks = ask_for_certificate(settings, context); !asks.ok()) return asks.fault();
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (server->resumption_.lifetime_s > 0) {
      enable_tickets(context, server->resumption_);
    } else {
      disable_tickets(context);
    }
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
    shown->names = std::move(each.names);
    shown->ocsp_response = std::move(each.ocsp_response);
    if (!shown->ocsp_response.empty()) {
      SSL_CTX_set_tlsext_status_cb(context, staple);
      SSL_CTX_set_tlsext_status_arg(context, &shown->ocsp_response);
    }
    server->served_.push_back(std::move(shown));
  }
  SSL_CTX* const first = server->served_.front()->context.get();
  SSL_CTX_set_tlsext_servername_callback(first, &TlsServer::on_server_name);
  SSL_CTX_set_tlsext_servername_arg(first, server.get());
  return server;
}

std::unique_ptr<TlsTransport> TlsServer::accept(int fd) const {
  auto transport = new_connection(served_.front()->context.get(), fd, records_without_data_);
  SSL_set_accept_state(transport->ssl());
  verify_by(resumption_, transport->ssl());
  return transport;
}

// The certificate for a name: an exact one first, then a wildcard, then the default (RFC 6066 3).
SSL_CTX* TlsServer::context_for(std::string_view server_name) const {
  for (const bool wildcards : {false, true}) {
    for (const auto& each : served_) {
      const bool fits = std::any_of(each->names.begin(), each->names.end(), [&](const auto& name) {
        return name.starts_with("*.") == wildcards && server_name_matches(name, server_name);
      });
      if (fits) return each->context.get();
    }
  }
  return served_.front()->context.get();
}

int TlsServer::on_server_name(SSL* ssl, int*, void* self) {
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (name == nullptr) return SSL_TLSEXT_ERR_NOACK;
  SSL_set_SSL_CTX(ssl, static_cast<const TlsServer*>(self)->context_for(name));
  return SSL_TLSEXT_ERR_OK;
}

Result<std::unique_ptr<TlsClient>> TlsClient::make(const TlsClientSettings& settings) {
  ERR_clear_error();
  if (slot_index() < 0 || beginning_index() < 0)
    return refused();  // asked for here: later there may be no memory for it
  std::unique_ptr<TlsClient> client(new TlsClient);
  client->context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* const context = client->context_.get();
  if (context == nullptr || !apply(settings.policy, context)) return refused();
  if (settings.credentials == nullptr) {
    SSL_CTX_set_client_cert_cb(context, TlsTransport::on_certificate_asked);
  } else if (!apply(*settings.credentials, context)) {
    return refused();
  }
  if (SSL_CTX_set_alpn_protos(context, alpn, sizeof alpn) != 0) return refused();
  if (settings.verify) {
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, TlsTransport::on_verified);
    if (const Status trusted = trust(settings, context); !trusted.ok()) return trusted.fault();
  }
  if (!name_sessions(identity_of(settings), context, client->identity_)) return refused();
  if (settings.policy.resumption.lifetime_s > 0) {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, keep_session);
  } else {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  }
  client->resumption_ = settings.policy.resumption;
  client->server_name_ = settings.server_name;
  client->records_without_data_ = settings.policy.records_without_data;
  client->verify_ = settings.verify;
  return client;
}

std::unique_ptr<TlsTransport> TlsClient::connect(int fd, const std::string& host,
                                                 TlsSessionSlot& slot) const {
  auto transport = new_connection(context_.get(), fd, records_without_data_);
  SSL* const ssl = transport->ssl();
  SSL_set_connect_state(ssl);
  const bool named = expect_name(ssl, server_name_.empty() ? host : server_name_, verify_);
  auto* const began = reinterpret_cast<void*>(resumption_.clock());  // NOLINT: a number
  if (!named || SSL_set_ex_data(ssl, slot_index(), &slot) != 1 ||
      SSL_set_ex_data(ssl, beginning_index(), began) != 1) {
    throw std::bad_alloc();
  }
  verify_by(resumption_, ssl);
  if (const SSL_SESSION* const kept = slot.session();
      kept != nullptr && (resumption_.left_s(mark_of(kept)) == 0 || !made_with(kept, identity_))) {
    slot.keep(nullptr);
  }
  if (slot.session() != nullptr) {
    // A copy: OpenSSL lets a session of TLS 1.3 resume one connection only, but those that open
    // before the next ticket has come are to resume, too.
    SSL_SESSION* const copy = SSL_SESSION_dup(slot.session());
    if (copy == nullptr) throw std::bad_alloc();
    SSL_set_session(ssl, copy);
    SSL_SESSION_free(copy);  // the reference that is left is the connection's
  }
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

X509_STORE* system_authorities() {
  static X509_STORE* const store = [] {
    Result<StorePtr> loaded = load_system_authorities();
    return loaded.ok() ? loaded.value().release() : nullptr;
  }();
  return store;
}

}  // namespace sluice
