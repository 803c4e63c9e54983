// Session tickets: sealed by one set of keys and opened by it, through one rotation and no further,
// at every context that shows the same certificate.
#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "tests/unit/tls_testing.h"
#include "tls/tickets.h"

namespace sluice {
namespace {

using testing::ahead_s;
using testing::clock_ahead;
using testing::Conversation;
using testing::make_client;
using testing::make_server;
using testing::server_settings;

// Keys of the process are left as they were found: others' tests have sessions, too.
struct FreshKeys {
  FreshKeys() { use_ticket_keys(keys); }
  void rotate() {
    rotate_ticket_keys(keys);
    use_ticket_keys(keys);
  }
  TicketKeys keys = make_ticket_keys();
};

// Opens a conversation and says whether it resumed the session in the slot, which then holds the
// latest one.
bool resumes(const TlsServer& server, const TlsClient& client, TlsSessionSlot& slot) {
  Conversation conversation(server, client, "a.example", &slot);
  conversation.open();
  CHECK(conversation.client->resumed() == conversation.server->resumed());
  CHECK(testing::send_text(*conversation.client, "in use").bytes == 6);
  conversation.carry();
  CHECK(testing::receive_all(*conversation.server) == "in use");
  // With TLS 1.2 OpenSSL tells of a session's new ticket only where it is looked for.
  SSL* const ssl = conversation.client->ssl();
  if (SSL_version(ssl) == TLS1_2_VERSION) slot.keep(SSL_get1_session(ssl));
  return conversation.server->resumed();
}

std::unique_ptr<TlsClient> client_of(bool tls13) {
  TlsClientSettings settings = testing::client_settings();
  settings.policy.protocols = {!tls13, tls13};
  return make_client(settings);
}

TEST_CASE("tickets: keys are random, and rotation moves the current one on") {
  TicketKeys keys = make_ticket_keys();
  const TicketKeys others = make_ticket_keys();
  CHECK(keys.current.name != others.current.name);
  CHECK(keys.current.cipher_key != others.current.cipher_key);
  CHECK(keys.current.mac_key != others.current.mac_key);
  CHECK(keys.current.name != keys.previous.name);
  const TicketKey first = keys.current;
  rotate_ticket_keys(keys);
  CHECK(keys.previous.name == first.name);
  CHECK(keys.previous.cipher_key == first.cipher_key);
  CHECK(keys.previous.mac_key == first.mac_key);
  CHECK(keys.current.name != first.name);
  CHECK(keys.current.cipher_key != first.cipher_key);
  CHECK(keys.current.mac_key != first.mac_key);
}

TEST_CASE("tickets: a session is resumed, by another worker's context as well") {
  const FreshKeys keys;
  for (const bool tls13 : {false, true}) {
    CAPTURE(tls13);
    const auto client = client_of(tls13);
    TlsSessionSlot slot;
    CHECK_FALSE(resumes(*make_server(), *client, slot));
    CHECK(resumes(*make_server(), *client, slot));
    CHECK(resumes(*make_server(), *client, slot));
  }
}

TEST_CASE("tickets: they live through one rotation, which renews them") {
  FreshKeys keys;
  const auto server = make_server();
  for (const bool tls13 : {false, true}) {
    CAPTURE(tls13);
    const auto client = client_of(tls13);
    TlsSessionSlot slot;
    CHECK_FALSE(resumes(*server, *client, slot));
    for (int i = 0; i < 3; ++i) {
      keys.rotate();
      CHECK(resumes(*server, *client, slot));  // sealed with the key before, sealed anew
    }
    keys.rotate();
    keys.rotate();
    CHECK_FALSE(resumes(*server, *client, slot));  // a whole TLS handshake, and no failure
    CHECK(resumes(*server, *client, slot));
  }
}

TEST_CASE("tickets: those of other keys are unknown and do no harm") {
  for (const bool tls13 : {false, true}) {
    const FreshKeys ours;
    const auto server = make_server();
    const auto client = client_of(tls13);
    TlsSessionSlot slot;
    CHECK_FALSE(resumes(*server, *client, slot));
    FreshKeys theirs;
    CHECK_FALSE(resumes(*server, *client, slot));
    // A name that is known with another key behind it: the seal does not fit.
    TicketKeys forged = theirs.keys;
    forged.current.mac_key[0] ^= 1;
    use_ticket_keys(forged);
    CHECK_FALSE(resumes(*server, *client, slot));
  }
}

TEST_CASE("tickets: one is good only where the same certificate and the same demands stand") {
  const FreshKeys keys;
  for (const bool tls13 : {false, true}) {
    CAPTURE(tls13);
    const auto client = client_of(tls13);
    TlsSessionSlot slot;
    CHECK_FALSE(resumes(*make_server(), *client, slot));
    const auto another =
        make_server(testing::showing(testing::test_authority().issue("b", "DNS:a.example")));
    CHECK_FALSE(resumes(*another, *client, slot));
    CHECK(resumes(*another, *client, slot));
    CHECK_FALSE(resumes(*make_server(), *client, slot));
    TlsServerSettings asking = server_settings();
    asking.verify_client = VerifyClient::optional;
    asking.client_authorities = testing::test_authority().pem();
    CHECK_FALSE(resumes(*make_server(std::move(asking)), *client, slot));
  }
}

TEST_CASE("tickets: with a lifetime of 0 there are none") {
  const FreshKeys keys;
  for (const bool tls13 : {false, true}) {
    CAPTURE(tls13);
    TlsServerSettings settings = server_settings();
    settings.policy.resumption.lifetime_s = 0;
    const auto server = make_server(std::move(settings));
    const auto client = client_of(tls13);
    TlsSessionSlot slot;
    CHECK_FALSE(resumes(*server, *client, slot));
    CHECK_FALSE(resumes(*server, *client, slot));
  }
}

TEST_CASE("tickets: the client is told how long one is good") {
  const FreshKeys keys;
  for (const bool tls13 : {false, true}) {
    CAPTURE(tls13);
    TlsServerSettings settings = server_settings();
    settings.policy.resumption.lifetime_s = 1'234;
    const auto client = client_of(tls13);
    TlsSessionSlot slot;
    CHECK_FALSE(resumes(*make_server(std::move(settings)), *client, slot));
    REQUIRE(slot.session() != nullptr);
    CHECK(SSL_SESSION_get_ticket_lifetime_hint(slot.session()) == 1'234);
  }
}

// A listener that asks for certificates, and a client with one that ends in `ends_s`.
struct Guarded {
  explicit Guarded(bool tls13, long ends_s, uint32_t lifetime_s = 3'600) {
    ahead_s = 0;
    TlsServerSettings settings = server_settings();
    settings.verify_client = VerifyClient::on;
    settings.client_authorities = testing::test_authority().pem();
    settings.policy.resumption = {lifetime_s, clock_ahead};
    server = make_server(std::move(settings));
    const testing::Identity identity = testing::make_identity(
        {.common_name = "passing", .ends_s = ends_s}, &testing::test_authority().root);
    Credentials credentials = testing::credentials_of(identity);
    TlsClientSettings own = testing::client_settings();
    own.policy.protocols = {!tls13, tls13};
    own.policy.resumption.lifetime_s = 1'000'000'000;  // one that does not care
    own.credentials = &credentials;
    client = make_client(own);
  }
  // "resumed", "whole", or why the server refuses.
  std::string comes() {
    Conversation conversation(*server, *client, "a.example", &slot);
    conversation.shake();
    if (conversation.server_outcome != testing::Handshake::done) {
      return conversation.server->failure();
    }
    CHECK(conversation.server->verified_subject() == "CN=passing");
    testing::receive_all(*conversation.client);
    SSL* const ssl = conversation.client->ssl();
    if (SSL_version(ssl) == TLS1_2_VERSION) slot.keep(SSL_get1_session(ssl));
    return conversation.server->resumed() ? "resumed" : "whole";
  }

  const FreshKeys keys;
  std::unique_ptr<TlsServer> server;
  std::unique_ptr<TlsClient> client;
  TlsSessionSlot slot;
};

TEST_CASE("tickets: none is taken past the end of the client's certificate, however renewed") {
  for (const bool tls13 : {false, true}) {
    CAPTURE(tls13);
    Guarded guarded(tls13, 3'000);
    CHECK(guarded.comes() == "whole");
    for (ahead_s = 500; ahead_s < 3'000; ahead_s += 500) CHECK(guarded.comes() == "resumed");
    ahead_s = 3'001;
    CHECK(guarded.comes() == "certificate has expired");
  }
}

TEST_CASE("tickets: their lifetime counts from the first authentication, however renewed") {
  for (const bool tls13 : {false, true}) {
    CAPTURE(tls13);
    Guarded guarded(tls13, 86'400, 2'000);
    CHECK(guarded.comes() == "whole");
    for (ahead_s = 500; ahead_s < 2'000; ahead_s += 500) CHECK(guarded.comes() == "resumed");
    ahead_s = 2'001;
    CHECK(guarded.comes() == "whole");
    ahead_s = 3'500;
    CHECK(guarded.comes() == "resumed");
    ahead_s = -500;  // what was verified in the future was not
    CHECK(guarded.comes() == "whole");
  }
}

// Judged good when the ClientHello came, it is renewed where the client's last word has come.
TEST_CASE("tickets: one whose time ends within the TLS handshake breaks none") {
  for (const int64_t later_s : {2'001, -500}) {
    CAPTURE(later_s);
    Guarded guarded(true, 86'400, 2'000);
    CHECK(guarded.comes() == "whole");
    Conversation conversation(*guarded.server, *guarded.client, "a.example", &guarded.slot);
    REQUIRE(conversation.client->handshake() == testing::Handshake::waiting);
    conversation.carry();
    REQUIRE(conversation.server->handshake() == testing::Handshake::waiting);
    ahead_s = later_s;
    conversation.open();
    CHECK(conversation.server->resumed());
    CHECK(guarded.comes() == "whole");
  }
}

TEST_CASE("tickets: the client is told what is left of the first one's time") {
  Guarded guarded(true, 3'000);
  CHECK(guarded.comes() == "whole");
  const auto told = [&] { return SSL_SESSION_get_ticket_lifetime_hint(guarded.slot.session()); };
  CHECK(told() > 2'900);
  CHECK(told() <= 3'000);
  ahead_s = 2'000;
  CHECK(guarded.comes() == "resumed");
  CHECK(told() > 900);
  CHECK(told() <= 1'000);
}

TEST_CASE("tickets: those of a server are good at the one that a reload makes of the same") {
  const FreshKeys keys;
  for (const bool tls13 : {false, true}) {
    CAPTURE(tls13);
    const std::unique_ptr<TlsClient> client = client_of(tls13);
    TlsStore store;
    const auto load = [&](const testing::Identity& shown) {
      TlsServerMaker maker(testing::showing(shown), store);
      while (maker.step()) {
      }
      return std::move(maker.finish().value());
    };
    const testing::Identity& site = testing::test_authority().site;
    TlsSessionSlot slot;
    std::unique_ptr<TlsServer> old_one = load(site);
    CHECK_FALSE(resumes(*old_one, *client, slot));
    const std::unique_ptr<TlsServer> new_one = load(site);
    CHECK(resumes(*new_one, *client, slot));
    CHECK(resumes(*old_one, *client, slot));
    // A live connection of the old one, and what is still to come there.
    Conversation held(*old_one, *client);
    held.open();
    old_one.reset();
    CHECK(resumes(*new_one, *client, slot));
    CHECK(store.built() == 1);
    // A process that has no store in common with it.
    CHECK(resumes(*make_server(), *client, slot));
    // Another certificate does not.
    const testing::Identity renewed = testing::test_authority().issue("a.example", "DNS:a.example");
    CHECK_FALSE(resumes(*load(renewed), *client, slot));
  }
}

TEST_CASE("tickets: another CRL asks whom it knew for a certificate again") {
  const FreshKeys keys;
  ahead_s = 0;
  const testing::Identity& root = testing::test_authority().root;
  const testing::Identity known = testing::test_authority().issue("known");
  const auto asking = [&](const std::string& revoked) {
    TlsServerSettings settings = server_settings();
    settings.verify_client = VerifyClient::on;
    settings.client_authorities = testing::test_authority().pem();
    settings.policy.revoked = revoked;
    return make_server(std::move(settings));
  };
  Credentials credentials = testing::credentials_of(known);
  TlsClientSettings own = testing::client_settings();
  own.credentials = &credentials;
  const auto client = make_client(own);
  TlsSessionSlot slot;
  const auto comes = [&](const TlsServer& server) -> std::string {
    Conversation conversation(server, *client, "a.example", &slot);
    conversation.shake();
    if (conversation.server_outcome != testing::Handshake::done) {
      return conversation.server->failure();
    }
    testing::receive_all(*conversation.client);
    return conversation.server->resumed() ? "resumed" : "whole";
  };
  const auto before = asking(testing::crl_pem_of(root, {}));
  CHECK(comes(*before) == "whole");
  CHECK(comes(*before) == "resumed");
  const auto after = asking(testing::crl_pem_of(root, {known.certificate.get()}));
  CHECK(comes(*after) == "certificate revoked");
  CHECK(comes(*before) == "resumed");
}

}  // namespace
}  // namespace sluice
