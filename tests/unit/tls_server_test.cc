// TlsServer: which certificate is shown, what is spoken and what is refused, and who clients are.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/unit/tls_testing.h"
#include "tls/client.h"
#include "tls/server.h"

namespace sluice {
namespace {

using testing::Conversation;
using testing::credentials_of;
using testing::Handshake;
using testing::Identity;
using testing::make_client;
using testing::make_server;
using testing::test_authority;

std::string common_name_of(const X509* certificate) {
  if (certificate == nullptr) return "";
  char name[64];
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
  return name;
}

// The certificate that a client is shown that asks for `name`; "" asks for none.
std::string shown_for(const TlsServer& server, const std::string& name) {
  TlsClientSettings settings;
  settings.verify = false;
  const auto client = make_client(settings);
  Conversation conversation(server, *client, name.empty() ? "127.0.0.1" : name);
  conversation.open();
  return common_name_of(SSL_get0_peer_certificate(conversation.client->ssl()));
}

TEST_CASE("tls server: the certificate with the name asked for, else the first") {
  TlsServerSettings settings = testing::server_settings();
  const auto add = [&](const std::string& label, const std::string& names) {
    settings.credentials.push_back(credentials_of(test_authority().issue(label, names)));
  };
  add("wildcard", "DNS:*.example.org");
  add("exact", "DNS:b.example.org,DNS:c.example.net");
  add("late", "DNS:b.example.org,DNS:*.example.org");
  const auto server = make_server(std::move(settings));
  CHECK(shown_for(*server, "") == "a.example");
  CHECK(shown_for(*server, "a.example") == "a.example");
  CHECK(shown_for(*server, "unknown.example") == "a.example");
  CHECK(shown_for(*server, "x.example.org") == "wildcard");
  CHECK(shown_for(*server, "b.example.org") == "exact");
  CHECK(shown_for(*server, "B.Example.ORG") == "exact");
  CHECK(shown_for(*server, "c.example.net") == "exact");
  CHECK(shown_for(*server, "x.y.example.org") == "a.example");
}

TEST_CASE("tls server: it tells its certificates in their order, by their first names") {
  TlsServerSettings settings = testing::server_settings();
  settings.credentials.push_back(
      credentials_of(test_authority().issue("b", "DNS:b.example.org,DNS:c.example.net")));
  const auto server = make_server(std::move(settings));
  const std::vector<CertificateTerm> terms = server->certificates();
  REQUIRE(terms.size() == 2);
  CHECK(terms[0].name == "a.example");
  CHECK(terms[1].name == "b.example.org");
  CHECK(terms[1].ends_s > 0);
}

TEST_CASE("tls server: of two that share a certificate, each shows its own others") {
  TlsStore store;
  const Identity b = test_authority().issue("b", "DNS:b.example");
  const Identity c = test_authority().issue("c", "DNS:c.example");
  const auto make = [&store](const Identity& other) {
    TlsServerSettings settings = testing::server_settings();
    settings.credentials.push_back(credentials_of(other));
    TlsServerMaker maker(std::move(settings), store);
    while (maker.step()) {
    }
    return std::move(maker.finish().value());
  };
  const auto before = make(b);
  auto after = make(c);
  CHECK(store.built() == 3);
  CHECK(shown_for(*before, "b.example") == "b");
  CHECK(shown_for(*before, "c.example") == "a.example");
  CHECK(shown_for(*after, "b.example") == "a.example");
  CHECK(shown_for(*after, "c.example") == "c");
  after.reset();
  CHECK(shown_for(*before, "b.example") == "b");
}

TEST_CASE("tls server: sessions are resumed at each certificate") {
  TlsServerSettings settings = testing::server_settings();
  settings.credentials.push_back(credentials_of(test_authority().issue("b", "DNS:b.example")));
  const auto server = make_server(std::move(settings));
  for (const bool tls13 : {false, true}) {
    CAPTURE(tls13);
    TlsClientSettings own = testing::client_settings();
    own.policy.protocols = {!tls13, tls13};
    const auto client = make_client(own);
    TlsSessionSlot slots[2];
    const char* names[] = {"a.example", "b.example"};
    for (const bool again : {false, true}) {
      for (const int i : {0, 1}) {
        Conversation conversation(*server, *client, names[i], &slots[i]);
        conversation.open();
        CHECK(conversation.server->resumed() == again);
      }
    }
  }
}

// What both know after a TLS handshake with a client whose SSL the test has changed.
struct Met {
  explicit Met(void (*change)(SSL*), TlsServerSettings settings = testing::server_settings())
      : server(make_server(std::move(settings))),
        client(make_client()),
        conversation(*server, *client) {
    change(conversation.client->ssl());
    conversation.shake();
  }
  bool open() const {
    return conversation.client_outcome == Handshake::done &&
           conversation.server_outcome == Handshake::done;
  }
  std::string refusal() const {
    CHECK(conversation.server_outcome == Handshake::failed);
    CHECK(conversation.client_outcome == Handshake::failed);
    return conversation.server->failure();
  }
  SSL* ssl() const { return conversation.client->ssl(); }

  std::unique_ptr<TlsServer> server;
  std::unique_ptr<TlsClient> client;
  Conversation conversation;
};

std::string protocol_agreed(const SSL* ssl) {
  const unsigned char* name = nullptr;
  unsigned int bytes = 0;
  SSL_get0_alpn_selected(ssl, &name, &bytes);
  return std::string(reinterpret_cast<const char*>(name), bytes);
}

void offer(SSL* ssl, const std::string& list) {
  REQUIRE(SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(list.data()),
                              static_cast<unsigned int>(list.size())) == 0);
}

TEST_CASE("tls server: ALPN is http/1.1 or an alert, and nothing where nothing is offered") {
  CHECK(protocol_agreed(Met([](SSL*) {}).ssl()) == "http/1.1");
  const Met both([](SSL* ssl) { offer(ssl, "\x02h2\x08http/1.1"); });
  REQUIRE(both.open());
  CHECK(protocol_agreed(both.ssl()) == "http/1.1");
  const Met none([](SSL* ssl) { SSL_set_alpn_protos(ssl, nullptr, 0); });
  REQUIRE(none.open());
  CHECK(protocol_agreed(none.ssl()) == "");
  const Met other([](SSL* ssl) { offer(ssl, "\x02h2\x08http/1.0"); });
  CHECK(other.refusal() == "no application protocol");
  CHECK(std::string(other.conversation.client->failure()) == "tlsv1 alert no application protocol");
}

TEST_CASE("tls server: HTTP/2 is agreed where both speak it, whatever the client likes better") {
  const auto with_http2 = [] {
    TlsServerSettings settings = testing::server_settings();
    settings.http2 = true;
    return settings;
  };
  for (const bool first : {false, true}) {
    void (*const offers)(SSL*) = first ? +[](SSL* ssl) { offer(ssl, "\x02h2\x08http/1.1"); }
                                       : +[](SSL* ssl) { offer(ssl, "\x08http/1.1\x02h2"); };
    const Met both(offers, with_http2());
    REQUIRE(both.open());
    CHECK(protocol_agreed(both.ssl()) == "h2");
    CHECK(both.conversation.server->speaks_http2());
  }
  const Met old([](SSL*) {}, with_http2());
  REQUIRE(old.open());
  CHECK(protocol_agreed(old.ssl()) == "http/1.1");
  CHECK_FALSE(old.conversation.server->speaks_http2());
}

void speak_only(SSL* ssl, int version) {
  // Old versions are refused by the client itself, else.
  REQUIRE(SSL_set_cipher_list(ssl, "ALL:@SECLEVEL=0") == 1);
  REQUIRE(SSL_set_min_proto_version(ssl, version) == 1);
  REQUIRE(SSL_set_max_proto_version(ssl, version) == 1);
}

TEST_CASE("tls server: TLS 1.2 and 1.3 are spoken, older versions are not") {
  CHECK(SSL_version(Met([](SSL*) {}).ssl()) == TLS1_3_VERSION);
  const Met older([](SSL* ssl) { speak_only(ssl, TLS1_2_VERSION); });
  REQUIRE(older.open());
  CHECK(SSL_version(older.ssl()) == TLS1_2_VERSION);
  CHECK(Met([](SSL* ssl) { speak_only(ssl, TLS1_1_VERSION); }).refusal() == "unsupported protocol");
  CHECK(Met([](SSL* ssl) { speak_only(ssl, TLS1_VERSION); }).refusal() == "unsupported protocol");
}

TEST_CASE("tls server: tls_protocols leaves one version") {
  TlsServerSettings settings = testing::server_settings();
  settings.policy.protocols = {.tls12 = true, .tls13 = false};
  CHECK(SSL_version(Met([](SSL*) {}, std::move(settings)).ssl()) == TLS1_2_VERSION);
  settings = testing::server_settings();
  settings.policy.protocols = {.tls12 = false, .tls13 = true};
  const Met met([](SSL* ssl) { speak_only(ssl, TLS1_2_VERSION); }, std::move(settings));
  CHECK(met.refusal() == "unsupported protocol");
}

TEST_CASE("tls server: weak suites are not there, and tls_ciphers leaves what it names") {
  for (const char* weak : {"AES128-SHA", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA",
                           "ECDHE-ECDSA-AES256-SHA384", "aNULL", "eNULL"}) {
    CAPTURE(weak);
    const auto server = make_server();
    const auto client = make_client();
    Conversation conversation(*server, *client);
    speak_only(conversation.client->ssl(), TLS1_2_VERSION);
    REQUIRE(SSL_set_cipher_list(conversation.client->ssl(), weak) == 1);
    conversation.shake();
    CHECK(conversation.server_outcome == Handshake::failed);
    CHECK(std::string(conversation.server->failure()) == "no shared cipher");
  }
  TlsServerSettings settings = testing::server_settings();
  settings.policy.ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305:TLS_AES_256_GCM_SHA384";
  const Met newer([](SSL*) {}, std::move(settings));
  REQUIRE(newer.open());
  CHECK(std::string(SSL_get_cipher_name(newer.ssl())) == "TLS_AES_256_GCM_SHA384");
  settings = testing::server_settings();
  settings.policy.ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305";
  const Met older([](SSL* ssl) { speak_only(ssl, TLS1_2_VERSION); }, std::move(settings));
  REQUIRE(older.open());
  CHECK(std::string(SSL_get_cipher_name(older.ssl())) == "ECDHE-ECDSA-CHACHA20-POLY1305");
}

TEST_CASE("tls: every name of a list of ciphers must be known") {
  CHECK(unknown_cipher("ECDHE-RSA-AES128-GCM-SHA256") == std::nullopt);
  CHECK(unknown_cipher("ECDHE-RSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256") == std::nullopt);
  CHECK(unknown_cipher("") == "");
  CHECK(unknown_cipher("ECDHE-RSA-AES128-GCM-SHA256:") == "");
  CHECK(unknown_cipher("ECDHE-RSA-AES128-GCM-SHA256::TLS_AES_128_GCM_SHA256") == "");
  CHECK(unknown_cipher("ECDHE-RSA-AES128-GCM-SHA256:ROT13") == "ROT13");
  CHECK(unknown_cipher("TLS_ROT13:TLS_AES_128_GCM_SHA256") == "TLS_ROT13");
}

TEST_CASE("tls server: no renegotiation, no early data, no compression") {
  Met met([](SSL* ssl) { speak_only(ssl, TLS1_2_VERSION); });
  REQUIRE(met.open());
  Conversation& conversation = met.conversation;
  CHECK(SSL_get_current_compression(met.ssl()) == nullptr);
  // Whether the client may begin anew is asked here as a client would that is not ours.
  SSL_clear_options(met.ssl(), SSL_OP_NO_RENEGOTIATION);
  REQUIRE(SSL_renegotiate(met.ssl()) == 1);
  SSL_do_handshake(met.ssl());
  testing::send_text(*conversation.client, "");
  conversation.carry();
  std::string text;
  const Io io = testing::receive_once(*conversation.server, text);
  CHECK((io.state == Io::State::open || io.state == Io::State::blocked));
  CHECK(text == "");
  CHECK(SSL_num_renegotiations(conversation.server->ssl()) == 0);
  CHECK(SSL_is_init_finished(conversation.server->ssl()));

  Met early([](SSL*) {});
  REQUIRE(early.open());
  early.conversation.carry();
  testing::receive_all(*early.conversation.client);
  CHECK(SSL_SESSION_get_max_early_data(SSL_get0_session(early.ssl())) == 0);
}

TEST_CASE("tls server: an OCSP response is stapled where a client asks for it") {
  TlsServerSettings settings = testing::server_settings();
  settings.credentials[0].ocsp_response = "response";
  settings.credentials.push_back(credentials_of(test_authority().issue("b", "DNS:b.example")));
  settings.credentials[1].ocsp_response = "another";
  const auto server = make_server(std::move(settings));
  const auto client = make_client();
  const auto stapled_for = [&](const char* name, bool asks) {
    Conversation conversation(*server, *client, name);
    SSL* const ssl = conversation.client->ssl();
    if (asks) SSL_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp);
    conversation.open();
    const unsigned char* bytes = nullptr;
    const long count = SSL_get_tlsext_status_ocsp_resp(ssl, &bytes);
    return count < 0
               ? std::string("none")
               : std::string(reinterpret_cast<const char*>(bytes), static_cast<size_t>(count));
  };
  CHECK(stapled_for("a.example", true) == "response");
  CHECK(stapled_for("b.example", true) == "another");
  CHECK(stapled_for("a.example", false) == "none");
}

TlsServerSettings asking(VerifyClient verify) {
  TlsServerSettings settings = testing::server_settings();
  settings.verify_client = verify;
  settings.client_authorities = test_authority().pem();
  return settings;
}

// "refused: why", or the subject that the server believes.
std::string subject_with(const TlsServer& server, const Identity* shown,
                         TlsSessionSlot* slot = nullptr) {
  TlsClientSettings settings = testing::client_settings();
  Credentials credentials;
  if (shown != nullptr) {
    credentials = credentials_of(*shown);
    settings.credentials = &credentials;
  }
  const auto client = make_client(settings);
  Conversation conversation(server, *client, "a.example", slot);
  conversation.shake();
  if (conversation.server_outcome != Handshake::done) {
    return std::string("refused: ") + conversation.server->failure();
  }
  CHECK(testing::receive_all(*conversation.client) == "");
  return conversation.server->verified_subject();
}

TEST_CASE("tls server: clients show a certificate where they must, or may") {
  const Identity known = test_authority().issue("Zoë, of sales");
  const Identity expired = testing::make_identity(
      {.common_name = "late", .begins_s = -7'200, .ends_s = -3'600}, &test_authority().root);
  const Identity stranger = testing::make_identity({.common_name = "stranger"});
  const auto required = make_server(asking(VerifyClient::on));
  const auto optional = make_server(asking(VerifyClient::optional));
  const auto indifferent = make_server(asking(VerifyClient::off));
  // RFC 2253: a comma in a value is escaped, as is what is not ASCII.
  const std::string subject = "CN=Zo\\C3\\AB\\, of sales";
  CHECK(subject_with(*required, &known) == subject);
  CHECK(subject_with(*optional, &known) == subject);
  CHECK(subject_with(*indifferent, &known) == "");
  CHECK(subject_with(*required, nullptr) == "refused: peer did not return a certificate");
  CHECK(subject_with(*optional, nullptr) == "");
  CHECK(subject_with(*required, &expired) == "refused: certificate has expired");
  CHECK(subject_with(*optional, &expired) == "refused: certificate has expired");
  CHECK(subject_with(*required, &stranger) == "refused: self-signed certificate");
  CHECK(subject_with(*optional, &stranger) == "refused: self-signed certificate");
}

TEST_CASE("tls server: what a client shows is bounded before it is verified") {
  const Identity known = test_authority().issue("known");
  std::string padding;
  while (padding.size() < 40 * 1024) {
    padding += testing::pem_of(testing::make_identity({.common_name = "padding"}));
  }
  Credentials large = credentials_of(known, padding);
  TlsClientSettings own = testing::client_settings();
  own.credentials = &large;
  const auto client = make_client(own);
  const auto meets = [&](uint32_t chain_bytes) {
    TlsServerSettings settings = asking(VerifyClient::on);
    if (chain_bytes > 0) settings.policy.chain_bytes = chain_bytes;
    const auto server = make_server(std::move(settings));
    Conversation conversation(*server, *client);
    conversation.shake();
    const std::string& detail = conversation.server->detail();
    return conversation.server->failure() + (detail.empty() ? "" : ": " + detail);
  };
  CHECK(meets(0) ==
        "certificates too large (tls_max_certificate_chain): tls_max_certificate_chain 20k, the "
        "peer's certificates have 20,481 bytes or more");
  CHECK(meets(64 * 1024) == "");
}

TEST_CASE("tls server: who resumes is who it was") {
  const auto server = make_server(asking(VerifyClient::on));
  const Identity known = test_authority().issue("known");
  TlsSessionSlot slot;
  CHECK(subject_with(*server, &known, &slot) == "CN=known");
  REQUIRE(slot.session() != nullptr);
  const Credentials credentials = credentials_of(known);
  TlsClientSettings settings = testing::client_settings();
  settings.credentials = &credentials;
  const auto client = make_client(settings);
  Conversation again(*server, *client, "a.example", &slot);
  again.shake();
  CHECK(again.server->resumed());  // no certificate is shown in it
  CHECK(again.server->verified_subject() == "CN=known");
}

TEST_CASE("tls server: the authorities that are trusted are named to the client") {
  const auto server = make_server(asking(VerifyClient::optional));
  const auto client = make_client();
  Conversation conversation(*server, *client);
  conversation.open();
  const STACK_OF(X509_NAME)* names = SSL_get0_peer_CA_list(conversation.client->ssl());
  REQUIRE(sk_X509_NAME_num(names) == 1);
  CHECK(X509_NAME_cmp(sk_X509_NAME_value(names, 0),
                      X509_get_subject_name(test_authority().root.certificate.get())) == 0);
}

TEST_CASE("tls server: authorities and CRLs that cannot be read are told of") {
  const auto fault = [](const std::string& authorities, const std::string& revoked) {
    TlsServerSettings settings = testing::server_settings();
    settings.verify_client = VerifyClient::on;
    settings.client_authorities = authorities;
    settings.policy.revoked = revoked;
    const Result<std::unique_ptr<TlsServer>> made = TlsServer::make(std::move(settings));
    return made.ok() ? "" : made.fault().text();
  };
  const std::string good = test_authority().pem();
  CHECK(fault(good, testing::crl_pem_of(test_authority().root, {})) == "");
  CHECK(fault("nothing", "") == "it holds no certificate in PEM form");
  CHECK(fault(good, "nothing") == "it holds no CRL in PEM form");
}

}  // namespace
}  // namespace sluice
