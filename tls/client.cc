// A session is kept by its connection, in the peer's slot, together with when its TLS handshake
// began.
#include "tls/client.h"

#include <openssl/err.h>

#include <algorithm>
#include <new>
#include <utility>

namespace sluice {

namespace {

// The certificate that we showed, and what was demanded of the server's.
Digest identity_of(const TlsClientSettings& settings) {
  Digester digester("client's sessions");
  digester.add(uint64_t{settings.credentials != nullptr});
  if (settings.credentials != nullptr) digester.add(settings.credentials->certificate.get());
  return digester.add(uint64_t{settings.verify})
      .add(settings.server_name)
      .add(settings.authorities.digest())
      .add(settings.policy.revoked.digest())
      .finish();
}

Digest made_of(const TlsClientSettings& settings) {
  Digester digester("client");
  add_to(digester, settings.policy);
  digester.add(settings.policy.records_without_data).add(identity_of(settings));
  if (settings.credentials != nullptr) {
    digester.add(settings.credentials->chain.size());
    for (const CertificatePtr& link : settings.credentials->chain) digester.add(link.get());
    digester.add(settings.credentials->key_digest);
  }
  return digester.finish();
}

bool made_with(const SSL_SESSION* session, const Digest& identity) {
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

}  // namespace

Result<std::unique_ptr<TlsClient>> TlsClient::make(const TlsClientSettings& settings) {
  TlsStore store;
  return make(settings, store);
}

Result<TlsClientRef> TlsClient::find_or_make(const TlsClientSettings& settings, TlsStore& store) {
  const Digest digest = made_of(settings);
  if (TlsClientRef known = store.client(digest)) return known;
  Result<std::unique_ptr<TlsClient>> made = make(settings, store);
  if (!made.ok()) return made.fault();
  TlsClientRef client = std::move(made.value());
  store.keep(digest, client);
  return client;
}

Result<std::unique_ptr<TlsClient>> TlsClient::make(const TlsClientSettings& settings,
                                                   TlsStore& store) {
  ERR_clear_error();
  if (slot_index() < 0 || beginning_index() < 0)
    return openssl_fault();  // asked for here: later there may be no memory for it
  std::unique_ptr<TlsClient> client(new TlsClient);
  client->context_ = make_context(TLS_client_method(), settings.policy);
  SSL_CTX* const context = client->context_.get();
  if (context == nullptr) return openssl_fault();
  if (settings.credentials == nullptr) {
    SSL_CTX_set_client_cert_cb(context, TlsTransport::on_certificate_asked);
  } else if (!show(*settings.credentials, context)) {
    return openssl_fault();
  }
  const auto offered = offered_protocols(Alpn::http1);
  if (SSL_CTX_set_alpn_protos(context, offered.data(), static_cast<unsigned>(offered.size())) !=
      0) {
    return openssl_fault();
  }
  if (settings.verify) {
    Result<X509_STORE*> trusted = store.trusted(settings.authorities, settings.policy.revoked);
    if (!trusted.ok()) return trusted.fault();
    SSL_CTX_set1_cert_store(context, trusted.value());
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, TlsTransport::on_verified);
  }
  client->identity_ = identity_of(settings);
  if (!name_sessions(client->identity_, context)) return openssl_fault();
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
                                                 TlsSessionSlot& slot, Alpn offer) const {
  auto transport = new_connection(context_.get(), fd, records_without_data_);
  SSL* const ssl = transport->ssl();
  SSL_set_connect_state(ssl);
  if (offer != Alpn::http1) {  // which the context offers
    const auto offered = offered_protocols(offer);
    if (SSL_set_alpn_protos(ssl, offered.data(), static_cast<unsigned>(offered.size())) != 0) {
      throw std::bad_alloc();
    }
  }
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

}  // namespace sluice
