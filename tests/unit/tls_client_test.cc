// TlsClient: whom it trusts, under which name, what it tells of itself, and what it resumes.
#include <doctest/doctest.h>

#include <string>

#include "tests/unit/tls_testing.h"
#include "tls/context.h"

namespace sluice {
namespace {

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
  const auto server = make_server(testing::showing(identity));
  const auto client = make_client(settings);
  Conversation conversation(*server, *client, host);
  conversation.shake();
  const bool trusts = conversation.client_outcome == Handshake::done;
  CHECK(trusts == (conversation.server_outcome == Handshake::done));
  CHECK(trusts == (*conversation.client->failure() == '\0'));
  return conversation.client->failure();
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
  CHECK(std::string(conversation.client->failure()) == "wrong version number");
}

}  // namespace
}  // namespace sluice
