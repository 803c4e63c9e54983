// What may come once a TLS handshake is done, and what is answered to it: key updates, alerts,
// tickets, renegotiation, limits. The peer may be anybody.
#include <doctest/doctest.h>

#include <cstring>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/nonce_ledger.h"
#include "tests/unit/tls_records_testing.h"
#include "tls/records.h"

namespace sluice {
namespace {

using testing::Flavour;
using testing::flavours;
using testing::Forger;
using testing::from_hex;
using testing::OwnKeys;
using testing::RecordsEnd;
using Kind = TlsRecords::Kind;
using Failure = TlsRecords::Failure;

constexpr uint8_t alert_type = 21;
constexpr uint8_t handshake_type = 22;
constexpr uint8_t data_type = 23;
constexpr const Flavour& tls13 = flavours[0];
constexpr const Flavour& tls12 = flavours[3];

// A leg's end, and a peer that may send anything.
struct Leg {
  explicit Leg(const Flavour& flavour, bool server = true,
               uint32_t silent = TlsRecords::most_silent_records)
      : own(flavour),
        end(own.of(server), silent),
        far(own.of(!server)),
        peer(server ? own.client : own.server) {}

  Kind give(uint8_t type, std::string_view content, size_t padding = 0) {
    return end.take(peer.record(type, content, padding));
  }
  // What it sent since, opened by who has the other keys: "alert 10", "closed", "partial".
  std::string answer() {
    const Kind kind = far.take(end.take_sent());
    if (kind != Kind::failed) return kind == Kind::closed ? "closed" : "partial";
    return (far.records.failure() == Failure::peers_alert ? "alert " : "own ") +
           std::to_string(static_cast<int>(far.records.alert()));
  }
  testing::NonceLedger ledger;
  OwnKeys own;
  RecordsEnd end;  // whom the test is about
  RecordsEnd far;
  Forger& peer;
};

std::string key_update(int request) {
  return from_hex("18000001") + static_cast<char>(request);
}

// That the leg is lost, by that alert, and stays so.
void check_refused(Leg& leg, Kind kind, int alert) {
  CHECK(kind == Kind::failed);
  CHECK(leg.end.records.failure() == Failure::own_alert);
  CHECK(static_cast<int>(leg.end.records.alert()) == alert);
  CHECK(leg.answer() == "alert " + std::to_string(alert));
  CHECK(!leg.end.send("x"));
  CHECK(leg.end.take(leg.peer.record(data_type, "x")) == Kind::failed);
  leg.end.close();
  CHECK(leg.end.take_sent() == "");
  CHECK(leg.end.got == "");
}

TEST_CASE("tls records: two of them speak with each other, both ways") {
  for (const Flavour& flavour : flavours) {
    CAPTURE(flavour.name);
    Leg leg(flavour);
    for (int i = 0; i < 3; ++i) {
      REQUIRE(leg.end.send("down"));
      CHECK(leg.far.take(leg.end.take_sent()) == Kind::data);
      REQUIRE(leg.far.send("up"));
      CHECK(leg.end.take(leg.far.take_sent()) == Kind::data);
    }
    CHECK(leg.far.got == "downdowndown");
    CHECK(leg.end.got == "upupup");
    CHECK(leg.end.records.failure() == Failure::none);
  }
}

TEST_CASE("tls records: nothing is taken of a part of a record, wherever it is cut") {
  for (const Flavour& flavour : flavours) {
    Leg leg(flavour);
    const std::string raw = leg.peer.record(data_type, "content");
    for (size_t bytes = 0; bytes < raw.size(); ++bytes) {
      std::string part = raw.substr(0, bytes);
      CHECK(leg.end.take_one(part) == Kind::partial);
      CHECK(part == raw.substr(0, bytes));
    }
    std::string more = raw + "behind";
    CHECK(leg.end.take_one(more) == Kind::data);
    CHECK(more == "behind");
    CHECK(leg.end.got == "content");
  }
}

TEST_CASE("tls records: plaintext in pieces goes into one record, whatever is skipped of it") {
  for (const Flavour& flavour : {tls13, tls12}) {
    const std::string text = "abcdefghijklmnopqrstuvwxyz";
    for (size_t skipped = 0; skipped < text.size(); ++skipped) {
      Leg leg(flavour);
      std::string copy = text;
      const iovec pieces[] = {{copy.data(), 5}, {copy.data() + 5, 0}, {copy.data() + 5, 21}};
      for (size_t count = 0; skipped + count <= text.size(); count += 3) {
        REQUIRE(leg.end.seal({pieces, skipped, count}));
        const std::string raw = leg.end.take_sent();
        CHECK(raw.size() == 5 + static_cast<uint8_t>(raw[4]));
        leg.far.take(raw);
        CHECK(leg.far.take_got() == text.substr(skipped, count));
      }
    }
  }
}

TEST_CASE("tls records: headers that cannot be are refused before a record is whole") {
  for (const Flavour& flavour : {tls13, tls12}) {
    const auto refused = [&](std::string header, int alert) {
      Leg leg(flavour);
      check_refused(leg, leg.end.take(header), alert);
    };
    refused(from_hex("1702030010"), 70);
    refused(from_hex("1703034101"), 22);
    refused(from_hex("170303ffff"), 22);
    refused("GET / HTTP/1.1\r\n\r\n", 70);
    Leg leg(flavour);
    CHECK(leg.end.take(from_hex("1703034100")) == Kind::partial);
  }
}

TEST_CASE("tls records: what is not sealed with the key, or not in its turn, is refused") {
  for (const Flavour& flavour : flavours) {
    {
      Leg replayed(flavour);
      const std::string raw = replayed.peer.record(data_type, "x");
      CHECK(replayed.end.take(raw) == Kind::data);
      replayed.end.take_got();
      check_refused(replayed, replayed.end.take(raw), 20);
    }
    {
      Leg left_out(flavour);
      left_out.peer.record(data_type, "x");
      check_refused(left_out, left_out.give(data_type, "y"), 20);
    }
    Leg plain(flavour);
    const Kind kind = plain.end.take(from_hex("1503030002") + std::string("\x01\x00", 2));
    check_refused(plain, kind, flavour.tls13 ? 10 : 20);
  }
}

TEST_CASE("tls records: types that have no place behind a handshake are refused") {
  for (const Flavour& flavour : {tls13, tls12}) {
    for (const uint8_t type : {uint8_t{20}, uint8_t{24}, uint8_t{1}, uint8_t{255}}) {
      Leg leg(flavour);
      check_refused(leg, leg.give(type, "\x01"), 10);
    }
  }
}

TEST_CASE("tls records: a KeyUpdate is followed, answered where that is asked for") {
  for (const Flavour& flavour : flavours) {
    if (!flavour.tls13) continue;
    for (const bool server : {false, true}) {
      for (const int request : {0, 1}) {
        Leg leg(flavour, server);
        for (int generation = 0; generation < 3; ++generation) {
          CHECK(leg.give(handshake_type, key_update(request)) == Kind::silent);
          leg.peer.next_generation();
          CHECK(leg.give(data_type, "behind") == Kind::data);
          CHECK(leg.end.take_got() == "behind");
          const std::string answer = leg.end.take_sent();
          CHECK(answer.empty() == (request == 0));
          CHECK(leg.far.take(answer) == (request == 0 ? Kind::partial : Kind::silent));
          REQUIRE(leg.end.send("own"));  // with the new key, where it was changed
          CHECK(leg.far.take(leg.end.take_sent()) == Kind::data);
          CHECK(leg.far.take_got() == "own");
        }
      }
    }
  }
}

TEST_CASE("tls records: a KeyUpdate may come in parts, and nothing between or behind them") {
  const std::string message = key_update(1);
  for (size_t cut = 1; cut < message.size(); ++cut) {
    {
      Leg leg(tls13);
      CHECK(leg.give(handshake_type, message.substr(0, cut)) == Kind::silent);
      CHECK(leg.end.sent == "");
      CHECK(leg.give(handshake_type, message.substr(cut), 3) == Kind::silent);
      leg.peer.next_generation();
      CHECK(leg.give(data_type, "x") == Kind::data);
      CHECK(leg.end.sent != "");
    }
    for (const uint8_t type : {data_type, alert_type}) {
      Leg between(tls13);
      between.give(handshake_type, message.substr(0, cut));
      check_refused(between, between.give(type, std::string("\x01\x00", 2)), 10);
    }
    Leg empty(tls13);
    empty.give(handshake_type, message.substr(0, cut));
    check_refused(empty, empty.give(handshake_type, ""), 10);
  }
  for (const std::string& behind : {std::string("\x18", 1), message}) {
    Leg leg(tls13);
    check_refused(leg, leg.give(handshake_type, message + behind), 10);
  }
}

TEST_CASE("tls records: KeyUpdates that say something else, or have no version for it") {
  const auto refused = [](const Flavour& flavour, const std::string& message, int alert) {
    Leg leg(flavour);
    check_refused(leg, leg.give(handshake_type, message), alert);
  };
  refused(tls13, key_update(2), 47);
  refused(tls13, key_update(255), 47);
  refused(tls13, from_hex("18000000"), 50);
  refused(tls13, from_hex("180000020000"), 50);
  refused(tls13, from_hex("18ffffff"), 50);
  refused(tls12, key_update(0), 10);
}

TEST_CASE("tls records: the key is changed after 2^23 records, before the next data") {
  for (const Flavour& flavour : flavours) {
    testing::NonceLedger ledger;
    OwnKeys own(flavour);
    own.server.sequence = TlsRecords::most_records_a_key - 1;
    CHECK(own.server.sequence == 8'388'607);
    RecordsEnd end(own.of(true)), far(own.of(false));
    REQUIRE(end.send("last"));
    const std::string last = end.take_sent();
    REQUIRE(end.send("first"));
    const std::string first = end.take_sent();
    CHECK(first.size() - last.size() == (flavour.tls13 ? 5 + 5 + 1 + 16 + 1 : 1));
    far.take(last + first);
    CHECK(far.take_got() == "lastfirst");
    REQUIRE(end.send("second"));
    const std::string second = end.take_sent();
    CHECK(second.size() - last.size() == 2);  // one change is enough
    far.take(second);
    CHECK(far.take_got() == "second");
    CHECK(far.sent == "");  // nothing is asked for
  }
}

TEST_CASE("tls records: an own KeyUpdate asks for the peer's once, until it has come") {
  Leg leg(tls13);
  leg.end.update_key(true);
  const std::string first = leg.end.take_sent();
  leg.end.update_key(true);
  const std::string second = leg.end.take_sent();
  CHECK(leg.far.take(first) == Kind::silent);
  const std::string answer = leg.far.take_sent();
  CHECK(answer != "");
  CHECK(leg.far.take(second) == Kind::silent);
  CHECK(leg.far.sent == "");
  CHECK(leg.end.take(answer) == Kind::silent);
  CHECK(leg.end.sent == "");
  leg.end.update_key(true);
  CHECK(leg.far.take(leg.end.take_sent()) == Kind::silent);
  CHECK(leg.far.sent != "");
  leg.end.update_key(false);
  leg.far.take_sent();
  CHECK(leg.far.take(leg.end.take_sent()) == Kind::silent);
  CHECK(leg.far.sent == "");
}

// A ticket of so many bytes behind its header.
std::string ticket(size_t bytes) {
  return std::string{4, static_cast<char>(bytes >> 16), static_cast<char>(bytes >> 8),
                     static_cast<char>(bytes)} +
         std::string(bytes, 't');
}

TEST_CASE("tls records: a client skips tickets, in one record or many; a server takes none") {
  Leg leg(tls13, false);
  CHECK(leg.give(handshake_type, ticket(200) + ticket(0) + ticket(7)) == Kind::silent);
  const std::string large = ticket(128 * 1024);
  for (size_t at = 0; at < large.size(); at += most_tls_plaintext_bytes) {
    CHECK(leg.give(handshake_type, large.substr(at, most_tls_plaintext_bytes)) == Kind::silent);
  }
  CHECK(leg.give(handshake_type, ticket(20) + key_update(0)) == Kind::silent);
  leg.peer.next_generation();
  CHECK(leg.give(data_type, "x") == Kind::data);
  CHECK(leg.end.sent == "");
  Leg too_large(tls13, false);
  check_refused(too_large, too_large.give(handshake_type, ticket(128 * 1024 + 1).substr(0, 50)),
                10);
  Leg server(tls13, true);
  check_refused(server, server.give(handshake_type, ticket(20)), 10);
  Leg older(tls12, false);
  check_refused(older, older.give(handshake_type, ticket(20)), 10);
}

TEST_CASE("tls records: other handshake messages are refused") {
  for (const bool server : {false, true}) {
    for (int type = 0; type < 256; ++type) {
      const std::string message = std::string(1, static_cast<char>(type)) + from_hex("00000100");
      if (type != 24 && !(type == 4 && !server)) {
        Leg leg(tls13, server);
        check_refused(leg, leg.give(handshake_type, message), 10);
      }
      if (type == 1 && server) continue;
      Leg older(tls12, server);
      check_refused(older, older.give(handshake_type, message), 10);
    }
  }
}

TEST_CASE("tls records: TLS 1.2's wish to renegotiate is answered, at most four times in a row") {
  const std::string hello_request = from_hex("00000000");
  const std::string client_hello = from_hex("01000003") + "abc";
  for (const bool server : {false, true}) {
    const std::string& wish = server ? client_hello : hello_request;
    Leg leg(tls12, server);
    for (int round = 0; round < 2; ++round) {
      for (int i = 0; i < 4; ++i) {
        for (const char each : wish) {  // in parts, one answer
          CHECK(leg.end.sent == "");
          CHECK(leg.give(handshake_type, std::string(1, each)) == Kind::silent);
        }
        std::string answer = leg.end.take_sent();
        CHECK(answer.substr(0, 5) == from_hex("150303001a"));
        CHECK(leg.far.take_one(answer) == Kind::silent);  // a warning
      }
      CHECK(leg.give(data_type, "x") == Kind::data);
      REQUIRE(leg.far.records.failure() == Failure::none);
      REQUIRE(leg.end.send("y"));
      CHECK(leg.far.take(leg.end.take_sent()) == Kind::data);
      leg.end.take_got();
    }
    for (int i = 0; i < 4; ++i) leg.give(handshake_type, wish);
    leg.far.take(leg.end.take_sent());
    check_refused(leg, leg.give(handshake_type, wish), 10);
  }
  Leg at_once(tls12, false);  // all answers to one record find room
  std::string wishes;
  for (int i = 0; i < 4'096; ++i) wishes += hello_request;
  CHECK(at_once.give(handshake_type, wishes) == Kind::failed);
  CHECK(at_once.end.sent.size() == 5 * (5 + 8 + 2 + 16));
  Leg with_body(tls12, false);
  check_refused(with_body, with_body.give(handshake_type, from_hex("0000000100")), 10);
}

TEST_CASE("tls records: close_notify ends what is taken, not what is sent") {
  for (const Flavour& flavour : flavours) {
    Leg leg(flavour);
    CHECK(leg.give(alert_type, std::string("\x01\x00", 2)) == Kind::closed);
    CHECK(leg.end.records.closed_by_peer());
    std::string behind = leg.peer.record(data_type, "behind") + "and no record";
    CHECK(leg.end.take_one(behind) == Kind::closed);
    CHECK(behind == "");
    CHECK(leg.end.got == "");
    REQUIRE(leg.end.send("still"));
    leg.end.close();
    leg.end.close();
    CHECK(leg.end.records.closed());
    CHECK(leg.far.take(leg.end.take_sent()) == Kind::closed);
    CHECK(leg.far.got == "still");
    CHECK(!leg.end.send("more"));
    CHECK(leg.end.sent == "");
  }
}

TEST_CASE("tls records: who has closed answers no more, and still takes") {
  Leg leg(tls13);
  leg.end.close();
  leg.end.take_sent();
  leg.end.update_key(true);
  CHECK(leg.give(handshake_type, key_update(1)) == Kind::silent);
  leg.peer.next_generation();
  CHECK(leg.give(data_type, "x") == Kind::data);
  CHECK(leg.give(handshake_type, key_update(7)) == Kind::failed);
  CHECK(leg.end.sent == "");
}

TEST_CASE("tls records: alerts of peers") {
  struct Case {
    std::string content;
    Kind in13, in12;
    int alert13, alert12;  // of the failure
    bool ours;
  };
  const Case cases[] = {
      {std::string("\x02\x00", 2), Kind::closed, Kind::failed, 0, 0, false},
      {"\x02\x28", Kind::failed, Kind::failed, 40, 40, false},
      {"\x01\x28", Kind::failed, Kind::silent, 40, 0, false},
      {"\x01\x5a", Kind::silent, Kind::silent, 0, 0, false},
      {"\x02\x5a", Kind::silent, Kind::failed, 0, 90, false},
      {"", Kind::failed, Kind::failed, 10, 10, true},
      {"\x01", Kind::failed, Kind::failed, 50, 50, true},
      {std::string("\x01\x00\x00", 3), Kind::failed, Kind::failed, 50, 50, true},
      {std::string("\x01\x00\x01\x00", 4), Kind::failed, Kind::failed, 50, 50, true},
  };
  for (const Case& each : cases) {
    for (const Flavour& flavour : {tls13, tls12}) {
      Leg leg(flavour);
      CAPTURE(each.content);
      const Kind expected = flavour.tls13 ? each.in13 : each.in12;
      CHECK(leg.give(alert_type, each.content) == expected);
      if (expected != Kind::failed) continue;
      CHECK(leg.end.records.failure() == (each.ours ? Failure::own_alert : Failure::peers_alert));
      CHECK(static_cast<int>(leg.end.records.alert()) ==
            (flavour.tls13 ? each.alert13 : each.alert12));
      CHECK((leg.end.sent != "") == each.ours);
      CHECK(!leg.end.send("x"));
    }
  }
  Leg level(tls12);
  check_refused(level, level.give(alert_type, "\x03\x28"), 47);
}

TEST_CASE("tls records: warnings are taken four in a row") {
  for (const Flavour& flavour : {tls13, tls12}) {
    Leg leg(flavour);
    for (int round = 0; round < 2; ++round) {
      for (int i = 0; i < 4; ++i) CHECK(leg.give(alert_type, "\x01\x5a") == Kind::silent);
      CHECK(leg.give(data_type, "x") == Kind::data);
      leg.end.take_got();
    }
    for (int i = 0; i < 4; ++i) leg.give(alert_type, "\x01\x5a");
    check_refused(leg, leg.give(alert_type, "\x01\x5a"), 10);
  }
}

TEST_CASE("tls records: records in a row without data are taken up to the limit") {
  for (const bool updates : {false, true}) {
    for (const uint32_t most : {1U, 3U, 32U}) {
      Leg leg(tls13, true, most);
      const auto silent = [&] {
        const Kind kind =
            updates ? leg.give(handshake_type, key_update(1)) : leg.give(data_type, "", 100);
        if (updates && kind == Kind::silent) leg.peer.next_generation();
        leg.far.take(leg.end.take_sent());
        return kind;
      };
      for (int round = 0; round < 2; ++round) {
        for (uint32_t i = 0; i < most; ++i) CHECK(silent() == Kind::silent);
        CHECK(leg.end.records.silent_records() == most);
        CHECK(leg.give(data_type, "x") == Kind::data);
        CHECK(leg.end.records.silent_records() == 0);
      }
      for (uint32_t i = 0; i < most; ++i) CHECK(silent() == Kind::silent);
      CHECK(silent() == Kind::failed);
      CHECK(leg.end.records.failure() == Failure::silence);
      CHECK(leg.far.records.alert() == TlsAlert::unexpected_message);
    }
  }
  CHECK(TlsRecords::most_silent_records == 32);
  Leg polite(tls12, true, 1);
  CHECK(polite.give(data_type, "") == Kind::silent);
  CHECK(polite.give(alert_type, std::string("\x01\x00", 2)) == Kind::closed);  // is no noise
  Leg any(tls13, true, 0);
  for (int i = 0; i < 1'000; ++i) REQUIRE(any.give(data_type, "") == Kind::silent);
}

TEST_CASE("tls records: what is moved from has no keys, and what is destroyed neither") {
  const OwnKeys own(tls13);
  TlsRecords first(own.of(true));
  TlsRecords second(std::move(first));
  std::string room(1'000, '\0');
  TlsRecords::Output output{testing::span_of(room), 0};
  const iovec piece{room.data(), 1};
  CHECK(!first.seal({{&piece, 1}, 0, 1}, output));  // NOLINT(bugprone-use-after-move)
  CHECK(second.seal({{&piece, 1}, 0, 1}, output));
  alignas(TlsRecords) unsigned char place[sizeof(TlsRecords)];
  auto* const third = new (place) TlsRecords(std::move(second));
  const auto found = [&] {
    const std::string_view all(reinterpret_cast<char*>(place), sizeof place);
    return all.find(own.server.secret) != all.npos || all.find(own.server.key) != all.npos ||
           all.find(own.client.secret) != all.npos || all.find(own.client.key) != all.npos;
  };
  CHECK(found());
  third->~TlsRecords();
  CHECK(!found());
  CHECK(sizeof(TlsRecords) <= 256);  // of each idle leg
}

}  // namespace
}  // namespace sluice
