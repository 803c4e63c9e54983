// From OpenSSL's SSL to records: what is taken over goes on as if nothing had happened, and what
// cannot be proved stays. The other end is an SSL that knows of nothing.
#include <doctest/doctest.h>
#include <openssl/err.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "tests/unit/nonce_ledger.h"
#include "tests/unit/tls_records_testing.h"
#include "tls/takeover.h"

namespace sluice {
namespace {

using testing::Flavour;
using testing::flavours;
using testing::RecordsEnd;
using testing::SslLeg;
using Kind = TlsRecords::Kind;
using Outcome = TlsTakeover::Outcome;

// What a leg is like beside its flavour and role.
struct Case {
  int tickets = 0;
  bool resumed = false;
  bool mutual = false;
  uint8_t fragment = 0;          // RFC 6066 4's number
  const char* cipher = nullptr;  // another one
};

// A leg between two SSL objects of which one is observed.
struct Observed {
  Observed(const Flavour& chosen, bool is_server, const Case& with = {})
      : flavour(chosen), server(is_server) {
    contexts[0] = context_of(false, with);
    contexts[1] = context_of(true, with);
    if (with.resumed) {
      connect(with);
      session.reset(SSL_get1_session(ssl[0].get()));
      for (SslPtr& each : ssl) SSL_set_shutdown(each.get(), SSL_SENT_SHUTDOWN);
      takeover.reset();
    }
    connect(with);
    REQUIRE(SSL_session_reused(ssl[0].get()) == (with.resumed ? 1 : 0));
  }

  ContextPtr context_of(bool of_server, const Case& with) const {
    static const Identity identity = testing::make_identity({.common_name = "a.example"});
    ContextPtr context(SSL_CTX_new(of_server ? TLS_server_method() : TLS_client_method()));
    const int version = flavour.tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
    SSL_CTX_set_min_proto_version(context.get(), version);
    SSL_CTX_set_max_proto_version(context.get(), version);
    SSL_CTX_set_num_tickets(context.get(), static_cast<size_t>(with.tickets));
    if (of_server || with.mutual) {
      SSL_CTX_use_certificate(context.get(), identity.certificate.get());
      SSL_CTX_use_PrivateKey(context.get(), identity.key.get());
    }
    if (with.mutual) {
      SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
      const unsigned char id[] = {1};
      SSL_CTX_set_session_id_context(context.get(), id, sizeof id);
    }
    SSL_CTX_set_tlsext_max_fragment_length(context.get(), of_server ? 0 : with.fragment);
    const char* const cipher = with.cipher != nullptr ? with.cipher : flavour.name;
    REQUIRE((flavour.tls13 ? SSL_CTX_set_ciphersuites(context.get(), cipher)
                           : SSL_CTX_set_cipher_list(context.get(), cipher)) == 1);
    if (of_server == server) TlsTakeover::watch(context.get());
    return context;
  }
  void connect(const Case& with) {
    for (const bool of_server : {false, true}) {
      SslPtr& each = ssl[of_server];
      each.reset(SSL_new(contexts[of_server].get()));
      SSL_set_bio(each.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
      of_server ? SSL_set_accept_state(each.get()) : SSL_set_connect_state(each.get());
    }
    if (session != nullptr) SSL_set_session(ssl[0].get(), session.get());
    takeover = std::make_unique<TlsTakeover>(own());
    for (int i = 0; i < 4; ++i) {
      for (const bool of_server : {false, true}) {
        SSL_do_handshake(ssl[of_server].get());
        SslLeg::give(ssl[!of_server].get(), SslLeg::sent_by(ssl[of_server].get()));
      }
    }
    REQUIRE(SSL_is_init_finished(ssl[0].get()));
    REQUIRE(SSL_is_init_finished(ssl[1].get()));
    if (with.tickets > 0) CHECK(SslLeg::read(ssl[0].get()) == "");
  }
  SSL* own() const { return ssl[server].get(); }
  SSL* other() const { return ssl[!server].get(); }

  // As a leg does before it is taken over: what it sends is observed.
  std::string send(const std::string& text) const {
    const std::string raw = SslLeg::write(own(), text);
    takeover->sealed({reinterpret_cast<const uint8_t*>(raw.data()), raw.size()});
    return raw;
  }
  void exchange() const {
    SslLeg::give(other(), send("request"));
    CHECK(SslLeg::read(other()) == "request");
    SslLeg::give(own(), SslLeg::write(other(), "answer"));
    CHECK(SslLeg::read(own()) == "answer");
  }
  Outcome finish() { return takeover->finish(keys); }
  // With OpenSSL, after a refusal.
  void check_kept(Outcome expected) {
    CHECK(finish() == expected);
    CHECK(!keys);
    exchange();
    CHECK(ERR_peek_error() == 0);
  }
  // SSL objects of which nothing is left but the other one.
  void check_taken() {
    REQUIRE(finish() == Outcome::taken);
    REQUIRE(keys);
    std::optional<TlsLegKeys> again;
    CHECK(takeover->finish(again) != Outcome::taken);
    CHECK(!again);
    takeover.reset();
    ssl[server].reset();
    RecordsEnd end(std::move(*keys));
    for (const size_t bytes : {size_t{1}, size_t{16'384}, size_t{100}}) {
      const std::string text = testing::random_bytes(bytes);
      REQUIRE(end.send(text));
      SslLeg::give(other(), end.take_sent());
      CHECK(SslLeg::read(other()) == text);
      CHECK(end.take(SslLeg::write(other(), text)) == Kind::data);
      CHECK(end.take_got() == text);
    }
    if (flavour.tls13) {
      end.update_key(true);
      REQUIRE(end.send("new key"));
      SslLeg::give(other(), end.take_sent());
      CHECK(SslLeg::read(other()) == "new key");
      CHECK(end.take(SslLeg::write(other(), "its new key")) == Kind::data);
      CHECK(end.take_got() == "its new key");
    }
    end.close();
    SslLeg::give(other(), end.take_sent());
    CHECK(SslLeg::read(other()) == "");
    CHECK(SSL_get_shutdown(other()) == SSL_RECEIVED_SHUTDOWN);
  }

  using Identity = testing::Identity;
  using SessionPtr = std::unique_ptr<SSL_SESSION, OpenSslFree<&SSL_SESSION_free>>;
  testing::NonceLedger ledger;
  Flavour flavour;
  bool server;
  ContextPtr contexts[2];
  SslPtr ssl[2];
  SessionPtr session;
  std::unique_ptr<TlsTakeover> takeover;
  std::optional<TlsLegKeys> keys;
};

template <class Test>
void for_each_leg(Test test) {
  for (const Flavour& flavour : flavours) {
    for (const bool server : {false, true}) {
      CAPTURE(flavour.name);
      CAPTURE(server);
      test(flavour, server);
    }
  }
}

TEST_CASE("tls takeover: legs go on, after whatever handshake and however many records") {
  for_each_leg([](const Flavour& flavour, bool server) {
    for (const Case& with :
         {Case{}, Case{.tickets = 1}, Case{.tickets = 2}, Case{.tickets = 1, .resumed = true},
          Case{.tickets = 2, .mutual = true},
          Case{.tickets = 1, .resumed = true, .mutual = true}}) {
      for (const int exchanges : {1, 2, 40}) {
        CAPTURE(with.tickets);
        CAPTURE(with.resumed);
        CAPTURE(with.mutual);
        CAPTURE(exchanges);
        Observed leg(flavour, server, with);
        for (int i = 0; i < exchanges; ++i) leg.exchange();
        leg.check_taken();
      }
    }
  });
}

TEST_CASE("tls takeover: of records sealed in one call the last one is the proof") {
  for_each_leg([](const Flavour& flavour, bool server) {
    Observed leg(flavour, server);
    const std::string text(17'000, 'x');  // two
    SslLeg::give(leg.other(), leg.send(text));
    CHECK(SslLeg::read(leg.other()) == text);
    leg.check_taken();
  });
}

TEST_CASE("tls takeover: an explicit nonce goes on behind OpenSSL's latest") {
  for (const bool server : {false, true}) {
    Observed leg(flavours[3], server);
    leg.exchange();
    const std::string last = leg.send("x").substr(5, 8);
    REQUIRE(leg.finish() == Outcome::taken);
    RecordsEnd end(std::move(*leg.keys));
    REQUIRE(end.send("x"));
    std::string next = end.take_sent().substr(5, 8);
    uint64_t numbers[2] = {};
    for (size_t i = 0; i < 8; ++i) {
      numbers[0] = numbers[0] << 8 | static_cast<uint8_t>(last[i]);
      numbers[1] = numbers[1] << 8 | static_cast<uint8_t>(next[i]);
    }
    CHECK(numbers[1] - numbers[0] == 1);
  }
}

// As if OpenSSL had called back once too often, or not at all.
TEST_CASE("tls takeover: a wrong number is kept by OpenSSL, and the peer notices nothing") {
  for_each_leg([](const Flavour& flavour, bool server) {
    const uint8_t header[] = {23, 3, 3, 0, 20};
    for (const bool too_many : {false, true}) {
      Observed leg(flavour, server, {.tickets = 1});
      leg.exchange();
      if (too_many) {
        TlsTakeover::on_message(1, TLS1_2_VERSION, SSL3_RT_HEADER, header, 5, leg.own(), nullptr);
      } else {
        SSL_set_msg_callback(leg.own(), nullptr);
        leg.exchange();
        SSL_set_msg_callback(leg.own(), TlsTakeover::on_message);
      }
      leg.check_kept(Outcome::unproved);
      leg.check_kept(Outcome::unproved);
    }
  });
}

TEST_CASE("tls takeover: a wrong secret, or one that is not told, is kept by OpenSSL") {
  for (const bool server : {false, true}) {
    const Flavour& flavour = flavours[0];
    Observed wrong(flavour, server);
    const std::string line =
        std::string(server ? "SERVER" : "CLIENT") + "_TRAFFIC_SECRET_0 00 " + std::string(64, 'a');
    TlsTakeover::on_secret(wrong.own(), line.c_str());
    wrong.check_kept(Outcome::unproved);
    Observed other_direction(flavour, server);
    other_direction.takeover = std::make_unique<TlsTakeover>(other_direction.own());  // too late
    other_direction.check_kept(Outcome::secrets);
    other_direction.check_kept(Outcome::secrets);
  }
}

TEST_CASE("tls takeover: without the latest record at hand OpenSSL goes on") {
  for_each_leg([](const Flavour& flavour, bool server) {
    Observed leg(flavour, server);
    leg.check_kept(Outcome::unproved);  // nothing has been sent
    SslLeg::give(leg.other(), SslLeg::write(leg.own(), "not shown"));
    CHECK(SslLeg::read(leg.other()) == "not shown");
    leg.check_kept(Outcome::unproved);
    const std::string much(TlsTakeover::most_proof_bytes, 'x');
    SslLeg::give(leg.other(), leg.send(much));
    CHECK(SslLeg::read(leg.other()) == much);
    leg.check_kept(Outcome::unproved);
    const std::string raw = SslLeg::write(leg.own(), "cut");
    leg.takeover->sealed({reinterpret_cast<const uint8_t*>(raw.data()), raw.size() - 1});
    SslLeg::give(leg.other(), raw);
    CHECK(SslLeg::read(leg.other()) == "cut");
    leg.check_kept(Outcome::unproved);
    leg.check_taken();  // what check_kept sent is proof enough
  });
}

TEST_CASE("tls takeover: keys that were changed before stay OpenSSL's") {
  for (const bool server : {false, true}) {
    for (const bool by_us : {false, true}) {
      Observed leg(flavours[0], server);
      leg.exchange();
      SSL* const changer = by_us ? leg.own() : leg.other();
      REQUIRE(SSL_key_update(changer, SSL_KEY_UPDATE_NOT_REQUESTED) == 1);
      CHECK(leg.finish() == (by_us ? Outcome::busy : Outcome::taken));
      leg.exchange();
      leg.check_kept(Outcome::key_update);
    }
  }
}

TEST_CASE("tls takeover: what is not at rest waits") {
  for (const bool server : {false, true}) {
    Observed leg(flavours[0], server);
    leg.exchange();
    const std::string raw = SslLeg::write(leg.other(), "pending text");
    SslLeg::give(leg.own(), raw);
    char byte = 0;
    size_t count = 0;
    REQUIRE(SSL_read_ex(leg.own(), &byte, 1, &count) == 1);
    CHECK(leg.finish() == Outcome::busy);  // OpenSSL has the rest of it
    CHECK(SslLeg::read(leg.own()) == "ending text");
    const std::string part = SslLeg::write(leg.other(), "in parts");
    SslLeg::give(leg.own(), part.substr(0, 9));
    CHECK(SslLeg::read(leg.own()) == "");
    CHECK(leg.finish() == Outcome::busy);  // of a record
    SslLeg::give(leg.own(), part.substr(9));
    CHECK(SslLeg::read(leg.own()) == "in parts");
    leg.check_taken();
    Observed shut(flavours[0], server);
    shut.exchange();
    SSL_shutdown(shut.own());
    CHECK(shut.finish() == Outcome::busy);
  }
}

TEST_CASE("tls takeover: other ciphers and small records stay OpenSSL's") {
  for (const bool server : {false, true}) {
    Observed fragments(flavours[0], server, {.fragment = TLSEXT_max_fragment_length_512});
    fragments.exchange();
    fragments.check_kept(Outcome::fragments);
    Observed ccm(flavours[0], server, {.cipher = "TLS_AES_128_CCM_SHA256"});
    ccm.exchange();
    ccm.check_kept(Outcome::cipher);
    Observed cbc(flavours[3], server, {.cipher = "ECDHE-ECDSA-AES128-SHA256"});
    cbc.exchange();
    cbc.check_kept(Outcome::cipher);
  }
}

TEST_CASE("tls takeover: who is observed is told by the context") {
  Observed leg(flavours[0], true);
  CHECK(TlsTakeover::watches(leg.own()));
  CHECK(!TlsTakeover::watches(leg.other()));
}

}  // namespace
}  // namespace sluice
