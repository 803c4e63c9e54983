// TLS handshakes with ourselves over a socket pair: each version, at first and resumed.
#include "tls/prepare.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <string>
#include <utility>

#include "net/check.h"
#include "net/sys.h"
#include "tls/client.h"
#include "tls/record_keys.h"
#include "tls/server.h"
#include "tls/system_authorities.h"

namespace sluice {

namespace {

constexpr const char* host = "localhost";
constexpr int most_rounds = 8;

Credentials passing_credentials() {
  Credentials made;
  made.key.reset(EVP_EC_gen("P-256"));
  made.certificate.reset(X509_new());
  X509* const certificate = made.certificate.get();
  SLUICE_CHECK(made.key != nullptr && certificate != nullptr);
  X509_set_version(certificate, X509_VERSION_3);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3'600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3'600);
  X509_NAME* const name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(host),
                             -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_set_pubkey(certificate, made.key.get());
  SLUICE_CHECK(X509_sign(certificate, made.key.get(), EVP_sha256()) > 0);
  return made;
}

std::string pem_of(X509* certificate) {
  const BioPtr memory(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(memory.get(), certificate);
  return content_of(memory.get());
}

// A greeting each way; the session in the slot is resumed, or put there.
void talk(const TlsServer& tls_server, const TlsClient& tls_client, TlsSessionSlot& slot) {
  using Handshake = TlsTransport::Handshake;
  int fds[2];
  if (sys::pair(fds) != 0) return;
  {
    const auto server = tls_server.accept(fds[0]);
    const auto client = tls_client.connect(fds[1], host, slot);
    Handshake at_server = Handshake::waiting;
    Handshake at_client = Handshake::waiting;
    for (int round = 0; round < most_rounds; ++round) {
      if (at_client == Handshake::waiting) at_client = client->handshake();
      if (at_server == Handshake::waiting) at_server = server->handshake();
    }
    char bytes[64] = "hello";
    const iovec piece{bytes, sizeof bytes};
    for (TlsTransport* const each : {client.get(), server.get(), client.get()}) {
      if (at_client != Handshake::done || at_server != Handshake::done) break;
      each->send({&piece, 1});
      each->recv({&piece, 1});
    }
  }
  for (const int fd : fds) sys::close(fd);
}

}  // namespace

void prepare_tls() {
  prepare_record_keys();
  TlsServerSettings server_settings;
  server_settings.credentials.push_back(passing_credentials());
  server_settings.policy.resumption.lifetime_s = 60;
  TlsClientSettings client_settings;
  client_settings.policy.resumption.lifetime_s = 60;
  client_settings.authorities = pem_of(server_settings.credentials.front().certificate.get());
  const auto server = TlsServer::make(std::move(server_settings));
  if (!server.ok()) return;
  for (const bool tls13 : {false, true}) {
    client_settings.policy.protocols = {!tls13, tls13};
    const auto client = TlsClient::make(client_settings);
    if (!client.ok()) continue;
    TlsSessionSlot slot;
    for (int i = 0; i < 2; ++i) talk(*server.value(), *client.value(), slot);
  }
  system_authorities();
  ERR_clear_error();
}

}  // namespace sluice
