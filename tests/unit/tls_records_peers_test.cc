// TlsRecords against OpenSSL's SSL: an end of a leg between two SSL objects is continued with its
// keys, and the other SSL takes what it seals, and the other way round.
#include <doctest/doctest.h>
#include <openssl/err.h>

#include <algorithm>
#include <string>

#include "tests/unit/nonce_ledger.h"
#include "tests/unit/tls_records_testing.h"
#include "tls/records.h"

namespace sluice {
namespace {

using testing::Flavour;
using testing::flavours;
using testing::RecordsEnd;
using testing::SslLeg;
using Kind = TlsRecords::Kind;

// For each suite, version and role; `server` is what TlsRecords is.
template <class Test>
void for_each_leg(Test test) {
  for (const Flavour& flavour : flavours) {
    for (const bool server : {false, true}) {
      CAPTURE(flavour.name);
      CAPTURE(server);
      testing::NonceLedger ledger;
      SslLeg leg(flavour);
      RecordsEnd end(leg.keys_of(server));
      test(leg, leg.end(!server), end);
    }
  }
}

constexpr size_t edges[] = {1,     2,     15,     16,     17,     31,     32,
                            125,   126,   255,    256,    257,    1'000,  4'095,
                            4'096, 8'192, 16'367, 16'368, 16'369, 16'383, 16'384};

TEST_CASE("tls records peers: OpenSSL opens what is sealed, and the other way round") {
  for_each_leg([](SslLeg&, SSL* ssl, RecordsEnd& end) {
    for (const size_t bytes : edges) {
      CAPTURE(bytes);
      const std::string text = testing::random_bytes(bytes);
      REQUIRE(end.send(text));
      SslLeg::give(ssl, end.take_sent());
      CHECK(SslLeg::read(ssl) == text);
      const std::string back = testing::random_bytes(bytes);
      CHECK(end.take(SslLeg::write(ssl, back)) == Kind::data);
      CHECK(end.take_got() == back);
    }
    REQUIRE(end.send(""));  // an empty record is no end
    REQUIRE(end.send("behind"));
    SslLeg::give(ssl, end.take_sent());
    CHECK(SslLeg::read(ssl) == "behind");
    CHECK(end.take(SslLeg::write(ssl, std::string(50'000, 'x'))) == Kind::data);  // four records
    CHECK(end.take_got() == std::string(50'000, 'x'));
  });
}

TEST_CASE("tls records peers: close_notify, both ways") {
  for_each_leg([](SslLeg&, SSL* ssl, RecordsEnd& end) {
    end.close();
    SslLeg::give(ssl, end.take_sent());
    CHECK(SslLeg::read(ssl) == "");
    CHECK(SSL_get_shutdown(ssl) == SSL_RECEIVED_SHUTDOWN);
    SSL_shutdown(ssl);
    CHECK(end.take(SslLeg::sent_by(ssl)) == Kind::closed);
  });
}

TEST_CASE("tls records peers: an alert of ours reaches OpenSSL, and one of its reaches us") {
  for_each_leg([](SslLeg&, SSL* ssl, RecordsEnd& end) {
    std::string raw = SslLeg::write(ssl, "text");
    raw.back() = static_cast<char>(raw.back() ^ 1);
    CHECK(end.take(raw) == Kind::failed);
    CHECK(end.records.alert() == TlsAlert::bad_record_mac);
    SslLeg::give(ssl, end.take_sent());
    char byte = 0;
    size_t count = 0;
    CHECK(SSL_read_ex(ssl, &byte, 1, &count) != 1);
    CHECK(ERR_GET_REASON(ERR_peek_error()) == SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
    ERR_clear_error();
  });
  for_each_leg([](SslLeg&, SSL* ssl, RecordsEnd& end) {
    REQUIRE(end.send("text"));
    std::string raw = end.take_sent();
    raw.back() = static_cast<char>(raw.back() ^ 1);
    SslLeg::give(ssl, raw);
    CHECK(SslLeg::read(ssl) == "");
    CHECK(end.take(SslLeg::sent_by(ssl)) == Kind::failed);
    CHECK(end.records.failure() == TlsRecords::Failure::peers_alert);
    CHECK(end.records.alert() == TlsAlert::bad_record_mac);
    CHECK(end.sent == "");
    ERR_clear_error();
  });
}

TEST_CASE("tls records peers: keys are changed by either, many times, whoever asks") {
  for_each_leg([](SslLeg& leg, SSL* ssl, RecordsEnd& end) {
    if (!leg.flavour.tls13) return;
    for (int i = 0; i < 20; ++i) {
      CAPTURE(i);
      end.update_key(i % 2 == 0);
      REQUIRE(end.send("down"));
      SslLeg::give(ssl, end.take_sent());
      CHECK(SslLeg::read(ssl) == "down");
      // Its answer comes before the text.
      CHECK(end.take(SslLeg::write(ssl, "up")) == Kind::data);
      CHECK(end.take_got() == "up");
      const int kind = i % 3 == 0 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED;
      REQUIRE(SSL_key_update(ssl, kind) == 1);
      CHECK(end.take(SslLeg::write(ssl, "up again")) == Kind::data);
      CHECK(end.take_got() == "up again");
      CHECK((end.sent != "") == (i % 3 == 0));
    }
    REQUIRE(end.send("last"));
    SslLeg::give(ssl, end.take_sent());
    CHECK(SslLeg::read(ssl) == "last");
  });
}

TEST_CASE("tls records peers: tickets of OpenSSL's are skipped") {
  for_each_leg([](SslLeg& leg, SSL* ssl, RecordsEnd& end) {
    if (!leg.flavour.tls13 || !SSL_is_server(ssl)) return;
    for (int i = 0; i < 5; ++i) {
      REQUIRE(SSL_new_session_ticket(ssl) == 1);
      const std::string raw = SslLeg::write(ssl, "behind");
      CHECK(raw.size() > 200);
      CHECK(end.take(raw) == Kind::data);
      CHECK(end.take_got() == "behind");
    }
  });
}

TEST_CASE("tls records peers: OpenSSL is told that nothing is negotiated anew") {
  for_each_leg([](SslLeg& leg, SSL* ssl, RecordsEnd& end) {
    if (leg.flavour.tls13) return;
    SSL_renegotiate(ssl);
    SSL_do_handshake(ssl);
    const std::string raw = SslLeg::sent_by(ssl);
    REQUIRE(raw != "");
    CHECK(end.take(raw) == Kind::silent);
    CHECK(end.records.failure() == TlsRecords::Failure::none);
    SslLeg::give(ssl, end.take_sent());
    char byte = 0;
    size_t count = 0;
    CHECK(SSL_read_ex(ssl, &byte, 1, &count) != 1);
    CHECK(ERR_GET_REASON(ERR_peek_error()) == SSL_R_NO_RENEGOTIATION);
    ERR_clear_error();
  });
}

}  // namespace
}  // namespace sluice
