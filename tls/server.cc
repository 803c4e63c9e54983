// Callbacks of a context may serve several TlsServers, so they find theirs at the connection.
#include "tls/server.h"

#include <openssl/err.h>

#include <algorithm>
#include <new>
#include <utility>

#include "tls/server_name.h"
#include "tls/tickets.h"

namespace sluice {

namespace {

// Where a connection keeps its TlsServer.
int server_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

// Strict: who offers protocols must offer ours (RFC 7301 3.2).
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_bytes,
                    const unsigned char* offered, unsigned int offered_bytes, void* http2) {
  const auto ours = offered_protocols(http2 != nullptr ? Alpn::http2_or_http1 : Alpn::http1);
  unsigned char* found = nullptr;
  const int outcome =
      SSL_select_next_proto(&found, chosen_bytes, ours.data(), static_cast<unsigned>(ours.size()),
                            offered, offered_bytes);
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

// The certificate that clients saw, and what was demanded of theirs: who was revoked since shows a
// certificate again.
Digest identity_of(const TlsServerSettings& settings) {
  return Digester("server's sessions")
      .add(settings.credentials.front().certificate.get())
      .add(static_cast<uint64_t>(settings.verify_client))
      .add(settings.client_authorities.digest())
      .add(settings.policy.revoked.digest())
      .finish();
}

// The names of the authorities, to tell clients.
void name_authorities(X509_STORE* store, SSL_CTX* context) {
  STACK_OF(X509_NAME)* names = sk_X509_NAME_new_null();
  STACK_OF(X509_OBJECT)* anchors = X509_STORE_get0_objects(store);
  for (int i = 0; i < sk_X509_OBJECT_num(anchors); ++i) {
    const X509* anchor = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(anchors, i));
    if (anchor != nullptr) {
      sk_X509_NAME_push(names, X509_NAME_dup(X509_get_subject_name(anchor)));
    }
  }
  SSL_CTX_set_client_CA_list(context, names);
}

}  // namespace

Result<std::unique_ptr<TlsServer>> TlsServer::make(TlsServerSettings settings) {
  TlsStore store;
  TlsServerMaker maker(std::move(settings), store);
  while (maker.step()) {
  }
  return maker.finish();
}

std::vector<CertificateTerm> TlsServer::certificates() const {
  std::vector<CertificateTerm> terms;
  for (const ServedCertificateRef& each : served_) {
    const std::string_view name = each->names.empty() ? "" : std::string_view(each->names.front());
    terms.push_back({name, end_of(SSL_CTX_get0_certificate(each->context.get()))});
  }
  return terms;
}

std::unique_ptr<TlsTransport> TlsServer::accept(int fd) const {
  auto transport = new_connection(served_.front()->context.get(), fd, records_without_data_);
  SSL* const ssl = transport->ssl();
  SSL_set_accept_state(ssl);
  // Read only, there.
  if (SSL_set_ex_data(ssl, server_index(), const_cast<TlsServer*>(this)) != 1) {
    throw std::bad_alloc();
  }
  verify_by(resumption_, ssl);
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

int TlsServer::on_server_name(SSL* ssl, int*, void*) {
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (name == nullptr) return SSL_TLSEXT_ERR_NOACK;
  const auto* self = static_cast<const TlsServer*>(SSL_get_ex_data(ssl, server_index()));
  SSL_set_SSL_CTX(ssl, self->context_for(name));
  return SSL_TLSEXT_ERR_OK;
}

TlsServerMaker::TlsServerMaker(TlsServerSettings settings, TlsStore& store)
    : settings_(std::move(settings)),
      store_(&store),
      identity_(identity_of(settings_)),
      server_(new TlsServer) {
  server_->resumption_ = settings_.policy.resumption;
  server_->records_without_data_ = settings_.policy.records_without_data;
}

bool TlsServerMaker::step() {
  if (!outcome_.ok() || made_ == settings_.credentials.size()) return false;
  Result<ServedCertificateRef> served = serve(settings_.credentials[made_++]);
  if (served.ok()) {
    server_->served_.push_back(std::move(served.value()));
  } else {
    outcome_ = served.fault();
  }
  return true;
}

Digest TlsServerMaker::made_of(const Credentials& credentials) const {
  Digester digester("served certificate");
  add_to(digester, settings_.policy);
  digester.add(uint64_t{settings_.http2});
  digester.add(identity_).add(credentials.certificate.get()).add(credentials.chain.size());
  for (const CertificatePtr& link : credentials.chain) digester.add(link.get());
  return digester.add(credentials.key_digest).add(credentials.ocsp_response).finish();
}

Result<ServedCertificateRef> TlsServerMaker::serve(Credentials& credentials) {
  const Digest digest = made_of(credentials);
  if (ServedCertificateRef known = store_->served(digest)) return known;
  ERR_clear_error();
  if (server_index() < 0) return openssl_fault();  // later there may be no memory for it
  auto shown = std::make_shared<ServedCertificate>();
  shown->resumption = settings_.policy.resumption;
  shown->context = make_context(TLS_server_method(), settings_.policy);
  SSL_CTX* const context = shown->context.get();
  if (context == nullptr || !show(credentials, context) || !name_sessions(identity_, context)) {
    return openssl_fault();
  }
  if (const Status asks = ask_for_certificate(context); !asks.ok()) return asks.fault();
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  if (shown->resumption.lifetime_s > 0) {
    enable_tickets(context, shown->resumption);
  } else {
    disable_tickets(context);
  }
  static constexpr char with_http2 = 0;  // only that there is one tells
  SSL_CTX_set_alpn_select_cb(context, choose_protocol,
                             settings_.http2 ? const_cast<char*>(&with_http2) : nullptr);
  SSL_CTX_set_tlsext_servername_callback(context, &TlsServer::on_server_name);
  shown->names = std::move(credentials.names);
  shown->ocsp_response = std::move(credentials.ocsp_response);
  if (!shown->ocsp_response.empty()) {
    SSL_CTX_set_tlsext_status_cb(context, staple);
    SSL_CTX_set_tlsext_status_arg(context, &shown->ocsp_response);
  }
  ServedCertificateRef made = std::move(shown);
  store_->keep(digest, made);
  return made;
}

Status TlsServerMaker::ask_for_certificate(SSL_CTX* context) {
  if (settings_.verify_client == VerifyClient::off) return Done{};
  Result<X509_STORE*> store =
      store_->trusted(settings_.client_authorities, settings_.policy.revoked);
  if (!store.ok()) return store.fault();
  name_authorities(store.value(), context);
  SSL_CTX_set1_cert_store(context, store.value());
  const bool needed = settings_.verify_client == VerifyClient::on;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (needed ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                     TlsTransport::on_verified);
  return Done{};
}

Result<std::unique_ptr<TlsServer>> TlsServerMaker::finish() {
  if (!outcome_.ok()) return outcome_.fault();
  return std::move(server_);
}

// What choose_protocol chose.
bool TlsTransport::speaks_http2() const {
  const unsigned char* name = nullptr;
  unsigned int bytes = 0;
  SSL_get0_alpn_selected(ssl_, &name, &bytes);
  return std::string_view(reinterpret_cast<const char*>(name), bytes) == "h2";
}

}  // namespace sluice
