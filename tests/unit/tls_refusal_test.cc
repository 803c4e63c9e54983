// What is told of a TLS handshake that failed: names, times and issuers, in both roles.
#include <doctest/doctest.h>

#include <string>

#include "tests/unit/tls_testing.h"
#include "tls/refusal.h"

namespace sluice {
namespace {

using testing::Conversation;
using testing::Handshake;
using testing::Identity;
using testing::make_client;
using testing::make_identity;
using testing::make_server;
using testing::test_authority;

// What the client tells of a server that shows that.
std::string told_of(const Identity& shown, const std::string& host = "a.example") {
  const testing::Opinion opinion = testing::opinion_on(shown, host);
  CHECK(opinion.failure != "");
  return opinion.detail;
}

TEST_CASE("tls refusal: a wrong name is told with those that the certificate has") {
  const Identity one = test_authority().issue("x", "DNS:b.example,IP:10.0.0.1,IP:::1");
  CHECK(told_of(one) == "asked for a.example, the certificate names b.example, 10.0.0.1, ::1");
  CHECK(told_of(one, "10.0.0.2") ==
        "asked for 10.0.0.2, the certificate names b.example, 10.0.0.1, ::1");
  std::string many;
  for (int i = 0; i < 9; ++i) many += (i > 0 ? ",DNS:" : "DNS:") + std::to_string(i) + ".example";
  CHECK(told_of(test_authority().issue("x", many)) ==
        "asked for a.example, the certificate names 0.example, 1.example, 2.example, 3.example and "
        "5 more");
  CHECK(told_of(test_authority().issue("b.example")) ==
        "asked for a.example, the certificate names CN=b.example");
  CHECK(told_of(test_authority().issue("x", "email:x@b.example")) ==
        "asked for a.example, the certificate names nobody");
}

TEST_CASE("tls refusal: what a certificate says is printable and not endless") {
  const std::string told = told_of(test_authority().issue("\x1b[2J\n" + std::string(50, 'x')));
  CHECK(told.find('\x1b') == std::string::npos);
  CHECK(told.find('\n') == std::string::npos);
  CHECK(told.find("xxx") != std::string::npos);
  const std::string label(60, 'y');
  const std::string name = label + "." + label + "." + label + ".example";
  CHECK(told_of(test_authority().issue("x", "DNS:" + name)).ends_with("y..."));
}

TEST_CASE("tls refusal: when it ended, or begins") {
  const Identity expired = make_identity(
      {.common_name = "a.example", .begins_s = -7'200, .ends_s = -3'600}, &test_authority().root);
  CHECK(told_of(expired) ==
        "CN=a.example ended on " + text_of(X509_get0_notAfter(expired.certificate.get())));
  const Identity early = make_identity(
      {.common_name = "a.example", .begins_s = 3'600, .ends_s = 7'200}, &test_authority().root);
  CHECK(told_of(early) ==
        "CN=a.example begins on " + text_of(X509_get0_notBefore(early.certificate.get())));
}

TEST_CASE("tls refusal: who issued it") {
  CHECK(told_of(make_identity({.common_name = "a.example"})) ==
        "CN=a.example is none of the trusted authorities");
  const Identity other = make_identity({.common_name = "Other CA", .authority = true});
  CHECK(told_of(make_identity({.common_name = "a.example"}, &other)) ==
        "CN=a.example is issued by CN=Other CA, which is neither sent along nor trusted");
}

// What the client fails with at a server that asks for certificates, where it shows `shown`.
std::string failure_with(bool tls13, const Identity* shown) {
  TlsServerSettings asking = testing::server_settings();
  asking.verify_client = VerifyClient::on;
  asking.client_authorities = test_authority().pem();
  const auto server = make_server(std::move(asking));
  TlsClientSettings settings = testing::client_settings();
  settings.policy.protocols = {!tls13, tls13};
  Credentials credentials;
  if (shown != nullptr) {
    credentials = testing::credentials_of(*shown);
    settings.credentials = &credentials;
  }
  const auto client = make_client(settings);
  Conversation conversation(*server, *client);
  conversation.shake();
  CHECK(conversation.server_outcome == Handshake::failed);
  conversation.carry();
  // In TLS 1.3 the client is done before the server has seen its certificate.
  if (conversation.client_outcome == Handshake::done) testing::receive_all(*conversation.client);
  return conversation.client->failure();
}

TEST_CASE("tls refusal: a server that asks for a certificate, or refuses ours, is told so") {
  const Identity stranger = make_identity({.common_name = "stranger"});
  const Identity other = make_identity({.common_name = "Other CA", .authority = true});
  const Identity foreign = make_identity({.common_name = "foreign"}, &other);
  const Identity expired = make_identity(
      {.common_name = "late", .begins_s = -7'200, .ends_s = -3'600}, &test_authority().root);
  for (const bool tls13 : {false, true}) {
    CAPTURE(tls13);
    CHECK(failure_with(tls13, nullptr) ==
          "the upstream asks for a client certificate (tls_client_certificate)");
    CHECK(failure_with(tls13, &foreign) == "the peer refuses our certificate: unknown authority");
    CHECK(failure_with(tls13, &stranger) == "the peer refuses our certificate: unknown authority");
    CHECK(failure_with(tls13, &expired) == "the peer refuses our certificate: expired");
  }
}

TEST_CASE("tls refusal: the client is told at the server what was wrong with its certificate") {
  const Identity expired = make_identity(
      {.common_name = "late", .begins_s = -7'200, .ends_s = -3'600}, &test_authority().root);
  TlsServerSettings asking = testing::server_settings();
  asking.verify_client = VerifyClient::on;
  asking.client_authorities = test_authority().pem();
  const auto server = make_server(std::move(asking));
  TlsClientSettings settings = testing::client_settings();
  Credentials credentials = testing::credentials_of(expired);
  settings.credentials = &credentials;
  const auto client = make_client(settings);
  Conversation conversation(*server, *client);
  conversation.shake();
  CHECK(conversation.server->detail() ==
        "CN=late ended on " + text_of(X509_get0_notAfter(expired.certificate.get())));
}

}  // namespace
}  // namespace sluice
