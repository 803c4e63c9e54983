// Leg: what it knows of its descriptor's readiness once a TLS handshake has read from it.
#include "core/leg.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <string>
#include <thread>

#include "tests/unit/net_testing.h"
#include "tls/context.h"

namespace sluice {
namespace {

Credentials self_signed() {
  Credentials made;
  made.key.reset(EVP_EC_gen("P-256"));
  made.certificate.reset(X509_new());
  X509* const certificate = made.certificate.get();
  X509_set_version(certificate, X509_VERSION_3);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, made.key.get());
  REQUIRE(X509_sign(certificate, made.key.get(), EVP_sha256()) > 0);
  return made;
}

void make_blocking(int fd) {
  REQUIRE(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) == 0);
}

// A client that shakes hands, sends `text` and closes.
void run_client(int fd, const std::string& text, bool& done) {
  const ContextPtr context(SSL_CTX_new(TLS_client_method()));
  const SslPtr ssl(SSL_new(context.get()));
  SSL_set_fd(ssl.get(), fd);
  done = SSL_connect(ssl.get()) == 1 &&
         SSL_write(ssl.get(), text.data(), static_cast<int>(text.size())) > 0;
  SSL_shutdown(ssl.get());
}

// A client may answer while handshake() is at work, after an event that told only that the leg is
// writable: no further event tells of what was taken from the socket then. Descriptors that block
// make that the only order of events.
TEST_CASE("leg: what comes with the end of the TLS handshake waits to be read") {
  TlsServerSettings settings;
  settings.credentials.push_back(self_signed());
  const auto server = TlsServer::make(std::move(settings));
  REQUIRE(server.ok());
  testing::Pair pair = testing::unix_pair();
  make_blocking(pair.near.get());
  make_blocking(pair.far.get());
  bool client_done = false;
  std::thread client(run_client, pair.far.get(), "request", std::ref(client_done));

  Leg leg;
  leg.attach(pair.near.get());
  leg.secure(server.value()->accept(pair.near.get()));
  leg.note(Readiness{.writable = true});
  const TlsTransport::Handshake outcome = leg.handshake();
  CHECK(outcome == TlsTransport::Handshake::done);
  CHECK(leg.readable);
  std::string buffer(7, '.');
  const iovec piece{buffer.data(), buffer.size()};
  CHECK(leg.recv({&piece, 1}).bytes == 7);
  CHECK(buffer == "request");

  client.join();
  CHECK(client_done);
  leg.detach();
}

}  // namespace
}  // namespace sluice
