// TlsGround: certificates from fixed numbers, and OpenSSL's generator replaced.
#define OPENSSL_SUPPRESS_DEPRECATED  // RAND_METHOD: a provider of our own would take 200 lines more

#include "tests/sim/tls_ground.h"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "net/check.h"

namespace sluice::sim {

namespace {

Random* source = nullptr;

int draw(unsigned char* buffer, int bytes) {
  source->fill(buffer, static_cast<size_t>(bytes));
  return 1;
}

int ready() {
  return 1;
}

const RAND_METHOD method{nullptr, draw, nullptr, nullptr, draw, ready};

int session_slot_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

int keep_session(SSL* ssl, SSL_SESSION* session) {
  auto* slot = static_cast<SessionPtr*>(SSL_get_ex_data(ssl, session_slot_index()));
  slot->reset(session);
  return 1;
}

void extend(X509* certificate, int nid, const char* value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
  SLUICE_CHECK(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

std::string pem_of(X509* certificate) {
  const BioPtr text(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(text.get(), certificate);
  return content_of(text.get());
}

}  // namespace

void feed_openssl(Random& random) {
  source = &random;
  SLUICE_CHECK(RAND_set_rand_method(&method) == 1);
}

TlsGround& TlsGround::get() {
  static TlsGround ground;
  return ground;
}

TlsGround::TlsGround() : random_(4) {
  Random* const before = source;
  feed_openssl(random_);
  authority_ = make("authority", nullptr, nullptr);
  authority_pem_ = pem_of(authority_.certificate.get());
  listener_ = make("listener", "IP:10.0.0.2", &authority_);
  client_ = make("client", "DNS:client", &authority_);
  const Identity stranger = make("stranger", nullptr, nullptr);
  const Identity servers[] = {make("good", "IP:10.0.0.1", &authority_),
                              make("untrusted", "IP:10.0.0.1", &stranger),
                              make("wrong", "IP:10.0.0.9,DNS:other.example", &authority_)};
  for (size_t i = 0; i < std::size(servers); ++i) {
    servers_[i] = context_for(servers[i], TLS_server_method());
    SSL_CTX_set_session_cache_mode(servers_[i].get(), SSL_SESS_CACHE_OFF);
  }
  const Identity nobody;
  for (const bool certified : {false, true}) {
    ContextPtr& context = clients_[certified];
    context = context_for(certified ? client_ : nobody, TLS_client_method());
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), authority_.certificate.get());
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_session_cache_mode(context.get(),
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context.get(), keep_session);
  }
  if (before != nullptr) feed_openssl(*before);
}

TlsGround::Identity TlsGround::make(const char* name, const char* alternative_name,
                                    const Identity* issuer) {
  unsigned char seed[32];
  random_.fill(seed, sizeof seed);
  Identity made;
  made.key.reset(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed, sizeof seed));
  made.certificate.reset(X509_new());
  X509* const certificate = made.certificate.get();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial_);
  ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate), "20200101000000Z");
  ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate), "22000101000000Z");
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  const Identity& signer = issuer != nullptr ? *issuer : made;
  X509_set_issuer_name(certificate, X509_get_subject_name(signer.certificate.get()));
  X509_set_pubkey(certificate, made.key.get());
  if (issuer == nullptr) extend(certificate, NID_basic_constraints, "critical,CA:TRUE");
  if (alternative_name != nullptr) extend(certificate, NID_subject_alt_name, alternative_name);
  SLUICE_CHECK(X509_sign(certificate, signer.key.get(), nullptr) > 0);
  return made;
}

ContextPtr TlsGround::context_for(const Identity& identity, const SSL_METHOD* role) {
  ContextPtr context(SSL_CTX_new(role));
  SLUICE_CHECK(context != nullptr);
  if (identity.certificate == nullptr) return context;
  SLUICE_CHECK(SSL_CTX_use_certificate(context.get(), identity.certificate.get()) == 1);
  SLUICE_CHECK(SSL_CTX_use_PrivateKey(context.get(), identity.key.get()) == 1);
  return context;
}

Credentials TlsGround::credentials() const {
  Credentials own;
  X509_up_ref(listener_.certificate.get());
  own.certificate.reset(listener_.certificate.get());
  EVP_PKEY_up_ref(listener_.key.get());
  own.key.reset(listener_.key.get());
  return own;
}

SslPtr TlsGround::new_client(bool certified, SessionPtr* session) {
  SslPtr ssl(SSL_new(clients_[certified].get()));
  SSL_set_ex_data(ssl.get(), session_slot_index(), session);
  SSL_set_connect_state(ssl.get());
  return ssl;
}

SslPtr TlsGround::new_server(Shown shown) {
  SslPtr ssl(SSL_new(servers_[static_cast<size_t>(shown)].get()));
  SSL_set_accept_state(ssl.get());
  return ssl;
}

}  // namespace sluice::sim
