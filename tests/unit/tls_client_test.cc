// TlsClient: whom it trusts, under which name, what it tells of itself, and what it resumes.
#include <doctest/doctest.h>

#include <string>

#include "tests/unit/tls_testing.h"
#include "tls/client.h"
#include "tls/server.h"

namespace sluice {
namespace {

using testing::ahead_s;
using testing::clock_ahead;
using testing::Conversation;
using testing::Handshake;
using testing::Identity;
using testing::make_client;
using testing::make_identity;
using testing::make_server;
using testing::test_authority;

// "" where the client trusts who shows `identity` under that host, else why not.
std::string distrust(const Identity& identity, const std::string& host,
                     const TlsClientSettings& settings = testing::client_settings()) {
  return testing::opinion_on(identity, host, settings).failure;
}

TEST_CASE("tls client: the certificate must be trusted, in time, and carry the name") {
  const Identity site = test_authority().issue("x", "DNS:a.example,DNS:*.b.example,IP:10.0.0.1");
  CHECK(distrust(site, "a.example") == "");
  CHECK(distrust(site, "A.Example") == "");
  CHECK(distrust(site, "x.b.example") == "");
  CHECK(distrust(site, "10.0.0.1") == "");
  CHECK(distrust(site, "x.y.b.example") == "hostname mismatch");
  CHECK(distrust(site, "b.example") == "hostname mismatch");
  CHECK(distrust(site, "x") == "hostname mismatch");  // the common name does not count beside
  CHECK(distrust(site, "10.0.0.2") == "IP address mismatch");
  CHECK(distrust(site, "::1") == "IP address mismatch");
  CHECK(distrust(make_identity({.common_name = "a.example"}), "a.example") ==
        "self-signed certificate");
  const Identity expired = make_identity(
      {.common_name = "a.example", .begins_s = -7'200, .ends_s = -3'600}, &test_authority().root);
  CHECK(distrust(expired, "a.example") == "certificate has expired");
  const Identity early = make_identity(
      {.common_name = "a.example", .begins_s = 3'600, .ends_s = 7'200}, &test_authority().root);
  CHECK(distrust(early, "a.example") == "certificate is not yet valid");
  const Identity other_root = make_identity({.common_name = "Other CA", .authority = true});
  const Identity foreign = make_identity({.common_name = "a.example"}, &other_root);
  CHECK(distrust(foreign, "a.example") == "unable to get local issuer certificate");
  const Identity leaf = test_authority().issue("leaf", "DNS:leaf.example");
  const Identity usurped = make_identity({.common_name = "a.example"}, &leaf);
  CHECK(distrust(usurped, "a.example") == "unable to get local issuer certificate");
}

TEST_CASE("tls client: a chain is followed through what the server sends") {
  const Identity middle =
      make_identity({.common_name = "Middle", .authority = true}, &test_authority().root);
  const Identity leaf = make_identity({.common_name = "a.example"}, &middle);
  CHECK(distrust(leaf, "a.example") == "unable to get local issuer certificate");
  TlsServerSettings settings;
  settings.credentials.push_back(testing::credentials_of(leaf, testing::pem_of(middle)));
  const auto server = make_server(std::move(settings));
  const auto client = make_client();
  Conversation conversation(*server, *client);
  conversation.open();
}

TEST_CASE("tls client: the system's authorities are asked where no others are given") {
  TlsClientSettings settings;
  CHECK(distrust(test_authority().site, "a.example", settings) ==
        "unable to get local issuer certificate");
}

TEST_CASE("tls client: tls_verify off trusts anybody") {
  TlsClientSettings settings;
  settings.verify = false;
  CHECK(distrust(make_identity({.common_name = "stranger"}), "a.example", settings) == "");
  CHECK(distrust(make_identity({.common_name = "stranger"}), "10.0.0.1", settings) == "");
}

TEST_CASE("tls client: tls_server_name is asked for and must be carried") {
  TlsClientSettings settings = testing::client_settings();
  settings.server_name = "a.example";
  CHECK(distrust(test_authority().site, "10.9.9.9", settings) == "");
  settings.server_name = "b.example";
  CHECK(distrust(test_authority().site, "a.example", settings) == "hostname mismatch");
  const auto name_asked = [&](const std::string& host) {
    const auto server = make_server();
    const auto client = make_client(settings);
    Conversation conversation(*server, *client, host);
    conversation.shake();
    const char* name = SSL_get_servername(conversation.server->ssl(), TLSEXT_NAMETYPE_host_name);
    return std::string(name == nullptr ? "" : name);
  };
  CHECK(name_asked("a.example") == "b.example");
  settings.server_name = "";
  CHECK(name_asked("a.example") == "a.example");
  CHECK(name_asked("127.0.0.1") == "");  // RFC 6066 3: no addresses
  CHECK(name_asked("::1") == "");
}

TEST_CASE("tls client: versions and suites are those of its policy") {
  const auto agreed = [](const TlsPolicy& policy) {
    TlsClientSettings settings = testing::client_settings();
    settings.policy = policy;
    const auto server = make_server();
    const auto client = make_client(settings);
    Conversation conversation(*server, *client);
    conversation.open();
    return std::string(SSL_get_cipher_name(conversation.client->ssl()));
  };
  CHECK(agreed({}) == "TLS_AES_128_GCM_SHA256");
  CHECK(agreed({{}, "TLS_CHACHA20_POLY1305_SHA256"}) == "TLS_CHACHA20_POLY1305_SHA256");
  CHECK(agreed({{.tls12 = true, .tls13 = false}, ""}) == "ECDHE-ECDSA-AES128-GCM-SHA256");
  CHECK(agreed({{.tls12 = true, .tls13 = false}, "ECDHE-ECDSA-AES256-GCM-SHA384"}) ==
        "ECDHE-ECDSA-AES256-GCM-SHA384");
}

TEST_CASE("tls client: a chain is as long and as large as it may be") {
  Identity middles[3];
  const Identity* issuer = &test_authority().root;
  std::string chain;
  for (Identity& each : middles) {
    const std::string number = std::to_string(&each - middles);
    each = make_identity({.common_name = "Middle " + number, .authority = true}, issuer);
    chain += testing::pem_of(each);
    issuer = &each;
  }
  const Identity leaf = make_identity({.common_name = "a.example"}, issuer);
  TlsServerSettings showing;
  showing.credentials.push_back(testing::credentials_of(leaf, chain));
  const auto server = make_server(std::move(showing));
  const auto meets = [&](const TlsPolicy& policy) {
    TlsClientSettings settings = testing::client_settings();
    settings.policy = policy;
    const auto client = make_client(settings);
    Conversation conversation(*server, *client);
    conversation.shake();
    const std::string& detail = conversation.client->detail();
    return conversation.client->failure() + (detail.empty() ? "" : ": " + detail);
  };
  TlsPolicy policy;
  CHECK(meets(policy) == "");
  policy.verify_depth = 3;
  CHECK(meets(policy) == "");
  policy.verify_depth = 2;
  CHECK(meets(policy) ==
        "certificate chain too long (tls_verify_depth): tls_verify_depth 2, behind the peer's "
        "certificate stand 3 or more");
  policy = {};
  policy.chain_bytes = 1'024;
  CHECK(meets(policy) ==
        "certificates too large (tls_max_certificate_chain): tls_max_certificate_chain 1k, the "
        "peer's certificates have 1,025 bytes or more");
}

TEST_CASE("tls client: a session is resumed no longer than the server's certificate is good") {
  const Identity passing =
      make_identity({.common_name = "a.example", .ends_s = 3'000}, &test_authority().root);
  const auto server = make_server(testing::showing(passing));
  for (const bool tls13 : {false, true}) {
    for (const uint32_t lifetime_s : {10'000U, 2'000U, 0U}) {
      CAPTURE(tls13);
      CAPTURE(lifetime_s);
      ahead_s = 0;
      TlsClientSettings settings = testing::client_settings();
      settings.policy.protocols = {!tls13, tls13};
      settings.policy.resumption = {lifetime_s, clock_ahead};
      const auto client = make_client(settings);
      TlsSessionSlot slot;
      const auto meets = [&]() -> std::string {
        Conversation conversation(*server, *client, "a.example", &slot);
        conversation.shake();
        if (conversation.client_outcome != Handshake::done) return conversation.client->failure();
        testing::receive_all(*conversation.client);
        return conversation.client->resumed() ? "resumed" : "whole";
      };
      CHECK(meets() == "whole");
      for (ahead_s = 500; ahead_s < 2'000; ahead_s += 500) {
        CHECK(meets() == (lifetime_s == 0 ? "whole" : "resumed"));
      }
      ahead_s = 2'001;
      CHECK(meets() == (lifetime_s == 10'000 ? "resumed" : "whole"));
      ahead_s = 3'001;
      CHECK(meets() == "certificate has expired");
    }
  }
}

// A peer's slot may outlive the conf with whose demands its session was made.
TEST_CASE("tls client: a session is resumed only under the demands that it was made with") {
  const auto server = make_server();
  TlsSessionSlot slot;
  const auto meets = [&](const TlsClientSettings& settings) -> std::string {
    const auto client = make_client(settings);
    Conversation conversation(*server, *client, "a.example", &slot);
    conversation.shake();
    if (conversation.client_outcome != Handshake::done) return conversation.client->failure();
    testing::receive_all(*conversation.client);
    return conversation.client->resumed() ? "resumed" : "whole";
  };
  TlsClientSettings trusting = testing::client_settings();
  trusting.verify = false;
  const TlsClientSettings careful = testing::client_settings();
  CHECK(meets(trusting) == "whole");
  CHECK(meets(trusting) == "resumed");  // another client, the same demands
  CHECK(meets(careful) == "whole");
  CHECK(meets(careful) == "resumed");
  TlsClientSettings named = careful;
  named.server_name = "a.example";
  CHECK(meets(named) == "whole");
  TlsClientSettings with_others = careful;
  with_others.authorities =
      testing::test_authority().pem() + testing::pem_of(make_identity({.common_name = "another"}));
  CHECK(meets(with_others) == "whole");
  const Credentials own = testing::credentials_of(test_authority().site);
  TlsClientSettings shown = careful;
  shown.credentials = &own;
  CHECK(meets(shown) == "whole");
  CHECK(meets(shown) == "resumed");
  CHECK(meets(careful) == "whole");
}

TEST_CASE("tls client: a ticket that comes late counts from the TLS handshake") {
  ahead_s = 0;
  TlsClientSettings settings = testing::client_settings();
  settings.policy.resumption = {2'000, clock_ahead};
  const auto client = make_client(settings);
  const auto server = make_server();
  TlsSessionSlot slot;
  Conversation first(*server, *client, "a.example", &slot);
  first.shake();
  ahead_s = 1'500;
  testing::receive_all(*first.client);
  REQUIRE(slot.session() != nullptr);
  ahead_s = 2'001;
  Conversation second(*server, *client, "a.example", &slot);
  second.open();
  CHECK_FALSE(second.client->resumed());
}

TEST_CASE("tls client: servers that a CRL names are refused, and all where one is missing") {
  const Identity site = test_authority().issue("a.example");
  const Identity& root = test_authority().root;
  const auto with = [&](const std::string& revoked) {
    TlsClientSettings settings = testing::client_settings();
    settings.policy.revoked = revoked;
    return settings;
  };
  const Identity other_root = make_identity({.common_name = "Other CA", .authority = true});
  CHECK(distrust(site, "a.example", with(testing::crl_pem_of(root, {}))) == "");
  CHECK(distrust(site, "a.example", with(testing::crl_pem_of(root, {site.certificate.get()}))) ==
        "certificate revoked");
  CHECK(distrust(site, "a.example", with(testing::crl_pem_of(other_root, {}))) ==
        "unable to get certificate CRL");
  CHECK(distrust(site, "a.example", with(testing::crl_pem_of(root, {}, -60))) == "CRL has expired");
}

TEST_CASE("tls client: a server that speaks older versions only is refused") {
  const auto server = make_server();
  const auto client = make_client();
  Conversation conversation(*server, *client);
  SSL* const ssl = conversation.server->ssl();
  REQUIRE(SSL_set_cipher_list(ssl, "ALL:@SECLEVEL=0") == 1);
  SSL_set_min_proto_version(ssl, TLS1_VERSION);
  SSL_set_max_proto_version(ssl, TLS1_1_VERSION);
  conversation.shake();
  CHECK(conversation.client_outcome == Handshake::failed);
  CHECK(std::string(conversation.client->failure()) == "tlsv1 alert protocol version");
}

TEST_CASE("tls client: a server in the middle of whose words comes plain HTTP is no TLS server") {
  const auto server = make_server();
  const auto client = make_client();
  Conversation conversation(*server, *client);
  CHECK(conversation.client->handshake() == Handshake::waiting);
  conversation.to_client("HTTP/1.1 400 Bad Request\r\n\r\n");
  CHECK(conversation.client->handshake() == Handshake::failed);
  CHECK(std::string(conversation.client->failure()) == "the upstream does not speak TLS");
}

}  // namespace
}  // namespace sluice
