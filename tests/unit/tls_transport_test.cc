// TlsTransport: the TLS handshake, receiving, and the ends of a connection, with bytes cut, kept
// back and damaged on their way. Sending is tls_transport_send_test.cc, records without data are
// tls_transport_silence_test.cc.
#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <initializer_list>
#include <memory>
#include <string>

#include "tests/unit/tls_testing.h"
#include "tls/transport.h"

namespace sluice {
namespace {

using testing::Conversation;
using testing::Handshake;
using testing::pattern;
using testing::receive_all;
using testing::receive_once;
using testing::send_text;

struct Fixture {
  std::unique_ptr<TlsServer> tls_server = testing::make_server();
  std::unique_ptr<TlsClient> tls_client = testing::make_client();
};

// Open, in TLS 1.2 or 1.3.
struct Opened : Fixture {
  explicit Opened(bool tls13 = true) {
    if (!tls13) SSL_set_max_proto_version(conversation.client->ssl(), TLS1_2_VERSION);
    conversation.open();
    conversation.carry();
  }
  TlsTransport& client() { return *conversation.client; }
  TlsTransport& server() { return *conversation.server; }

  Conversation conversation{*tls_server, *tls_client};
};

TEST_CASE("tls transport: a TLS handshake takes bytes in any pieces") {
  const Fixture fixture;
  for (const bool tls13 : {false, true}) {
    for (const size_t piece : std::initializer_list<size_t>{1, 2, 3, 7, 64, 500}) {
      CAPTURE(tls13);
      CAPTURE(piece);
      Conversation conversation(*fixture.tls_server, *fixture.tls_client);
      if (!tls13) SSL_set_max_proto_version(conversation.client->ssl(), TLS1_2_VERSION);
      for (bool moved = true; moved;) {
        REQUIRE(conversation.client_outcome != Handshake::failed);
        REQUIRE(conversation.server_outcome != Handshake::failed);
        if (conversation.client_outcome == Handshake::waiting) {
          conversation.client_outcome = conversation.client->handshake();
        } else {
          CHECK(receive_all(*conversation.client) == "");  // a session ticket
        }
        if (conversation.server_outcome == Handshake::waiting) {
          conversation.server_outcome = conversation.server->handshake();
        }
        const std::string up = conversation.from_client(piece);
        const std::string down = conversation.from_server(piece);
        conversation.to_server(up);
        conversation.to_client(down);
        moved = !up.empty() || !down.empty();
      }
      CHECK(conversation.client_outcome == Handshake::done);
      CHECK(conversation.server_outcome == Handshake::done);
      send_text(*conversation.server, "hello");
      conversation.carry();
      CHECK(receive_all(*conversation.client) == "hello");
    }
  }
}

TEST_CASE("tls transport: a client's first flight is taken at every split") {
  const Fixture fixture;
  for (size_t split = 1;; ++split) {
    CAPTURE(split);
    Conversation conversation(*fixture.tls_server, *fixture.tls_client);
    CHECK(conversation.client->handshake() == Handshake::waiting);
    const std::string hello = conversation.from_client();
    if (split >= hello.size()) break;
    CHECK_FALSE(conversation.server->heard());
    conversation.to_server(hello.substr(0, split));
    REQUIRE(conversation.server->handshake() == Handshake::waiting);
    CHECK(conversation.server->heard());
    REQUIRE(conversation.from_server() == "");
    conversation.to_server(hello.substr(split));
    REQUIRE(conversation.server->handshake() == Handshake::waiting);
    REQUIRE(conversation.from_server() != "");
  }
}

TEST_CASE("tls transport: what comes behind the TLS handshake in one piece is not lost") {
  for (const bool tls13 : {false, true}) {
    const Fixture fixture;
    Conversation conversation(*fixture.tls_server, *fixture.tls_client);
    if (!tls13) SSL_set_max_proto_version(conversation.client->ssl(), TLS1_2_VERSION);
    Handshake client = Handshake::waiting;
    while (client == Handshake::waiting) {
      client = conversation.client->handshake();
      if (client == Handshake::done) send_text(*conversation.client, "early");
      conversation.to_server(conversation.from_client());
      REQUIRE(conversation.server->handshake() != Handshake::failed);
      conversation.to_client(conversation.from_server());
    }
    REQUIRE(client == Handshake::done);
    CHECK(receive_all(*conversation.server) == "early");
  }
}

TEST_CASE("tls transport: records split at every byte") {
  for (const bool tls13 : {false, true}) {
    Opened opened(tls13);
    for (size_t split = 0, bytes = 1; split <= bytes; ++split) {
      CAPTURE(split);
      send_text(opened.client(), "first");
      std::string raw = opened.conversation.from_client();
      const size_t first = raw.size();
      send_text(opened.client(), "second");
      raw += opened.conversation.from_client();
      bytes = raw.size();
      opened.conversation.to_server(raw.substr(0, split));
      const std::string begun = receive_all(opened.server());
      CHECK(std::string("firstsecond").starts_with(begun));
      CHECK(begun.size() == (split == bytes ? 11 : split >= first ? 5 : 0));
      opened.conversation.to_server(raw.substr(split));
      CHECK(begun + receive_all(opened.server()) == "firstsecond");
    }
  }
}

TEST_CASE("tls transport: little room, and what OpenSSL keeps of a record") {
  for (const size_t room :
       std::initializer_list<size_t>{1, 5, 1'000, 4'096, 16'384, 20'000, 40'000}) {
    CAPTURE(room);
    Opened opened;
    const std::string sent = pattern(50'000);
    CHECK(send_text(opened.client(), sent).bytes == sent.size());
    opened.conversation.carry();
    Io last;
    // Byte by byte would take long without finding more.
    const std::string got = room > 1 ? receive_all(opened.server(), &last, room) : [&] {
      std::string text;
      while (text.size() < 3'000) {
        const Io io = receive_once(opened.server(), text, 1);
        REQUIRE(io.state == Io::State::open);  // a call takes in a part of a record, so some give 0
        CHECK(io.bytes <= 1);
        CHECK_FALSE(io.short_count);  // there is more
      }
      return text + receive_all(opened.server(), &last);
    }();
    CHECK(got == sent);
    CHECK(last.state == Io::State::blocked);
  }
}

TEST_CASE("tls transport: two pieces are filled one after the other") {
  Opened opened;
  const std::string sent = pattern(30'000);
  send_text(opened.client(), sent);
  opened.conversation.carry();
  std::string first(10'001, '\0');
  std::string second(50'000, '\0');
  const iovec pieces[] = {{first.data(), first.size()}, {second.data(), second.size()}};
  const Io io = opened.server().recv(pieces);
  CHECK(io.state == Io::State::open);
  CHECK(io.bytes == sent.size());
  CHECK(io.short_count);
  CHECK((first + second).substr(0, sent.size()) == sent);
}

TEST_CASE("tls transport: close_notify is an orderly end, with data before it and without") {
  for (const bool tls13 : {false, true}) {
    for (const std::string data : {"", "last words"}) {
      for (const bool fin : {false, true}) {
        CAPTURE(data);
        CAPTURE(fin);
        Opened opened(tls13);
        if (!data.empty()) send_text(opened.client(), data);
        CHECK(opened.client().shutdown_write());
        opened.conversation.carry();
        if (fin) opened.conversation.end_to_server();
        Io last;
        CHECK(receive_all(opened.server(), &last) == data);
        CHECK(last.state == Io::State::ended);
        std::string none;
        CHECK(receive_once(opened.server(), none).state == Io::State::ended);  // and stays so
        CHECK(std::string(opened.server().failure()) == "");
        // The other half goes on.
        CHECK(send_text(opened.server(), "answer").bytes == 6);
        opened.conversation.carry();
        CHECK(receive_all(opened.client()) == "answer");
      }
    }
  }
}

TEST_CASE("tls transport: FIN without close_notify is a failure, behind the data before it") {
  for (const bool tls13 : {false, true}) {
    Opened opened(tls13);
    send_text(opened.client(), "cut o");
    opened.conversation.carry();
    opened.conversation.end_to_server();
    Io last;
    CHECK(receive_all(opened.server(), &last) == "cut o");
    CHECK(last.state == Io::State::failed);
    CHECK(last.error == 0);
    CHECK(std::string(opened.server().failure()) == "TLS ended without close_notify");
    CHECK(send_text(opened.server(), "x").state == Io::State::failed);
  }
}

TEST_CASE("tls transport: FIN inside a record is a failure, too") {
  Opened opened;
  send_text(opened.client(), "whole");
  send_text(opened.client(), "in part");
  std::string raw = opened.conversation.from_client();
  raw.pop_back();
  opened.conversation.to_server(raw);
  opened.conversation.end_to_server();
  Io last;
  CHECK(receive_all(opened.server(), &last) == "whole");
  CHECK(last.state == Io::State::failed);
  CHECK(std::string(opened.server().failure()) == "TLS ended without close_notify");
}

TEST_CASE("tls transport: a damaged record fails, and the peer is told by an alert") {
  for (const bool tls13 : {false, true}) {
    Opened opened(tls13);
    send_text(opened.client(), "whole");
    opened.conversation.carry();
    send_text(opened.client(), "damaged");
    std::string raw = opened.conversation.from_client();
    raw[raw.size() / 2] = static_cast<char>(raw[raw.size() / 2] ^ 1);
    opened.conversation.to_server(raw);
    Io last;
    CHECK(receive_all(opened.server(), &last) == "whole");
    CHECK(last.state == Io::State::failed);
    CHECK(std::string(opened.server().failure()) == "decryption failed or bad record mac");
    opened.conversation.carry();
    CHECK(receive_all(opened.client(), &last) == "");
    CHECK(last.state == Io::State::failed);
    CHECK(std::string(opened.client().failure()).ends_with("alert bad record mac"));
    // Nothing more is said on a failed connection.
    CHECK(opened.server().shutdown_write());
    CHECK(opened.conversation.from_server() == "");
  }
}

TEST_CASE("tls transport: plain bytes in the middle are no record") {
  Opened opened;
  opened.conversation.to_server("GET / HTTP/1.1\r\n\r\n");
  Io last;
  CHECK(receive_all(opened.server(), &last) == "");
  CHECK(last.state == Io::State::failed);
  CHECK(std::string(opened.server().failure()) == "wrong version number");
}

TEST_CASE("tls transport: a reset fails with its errno") {
  const Fixture fixture;
  for (const bool opened : {false, true}) {
    CAPTURE(opened);
    testing::Pair pair = testing::tcp_pair();
    const auto server = fixture.tls_server->accept(pair.near.get());
    TlsSessionSlot slot;
    const auto client = fixture.tls_client->connect(pair.far.get(), "a.example", slot);
    CHECK(client->handshake() == Handshake::waiting);
    sys::wait_readable(pair.near.get(), testing::patience_ms);
    CHECK(server->handshake() == Handshake::waiting);
    if (opened) {
      sys::wait_readable(pair.far.get(), testing::patience_ms);
      REQUIRE(client->handshake() == Handshake::done);
      sys::wait_readable(pair.near.get(), testing::patience_ms);
      REQUIRE(server->handshake() == Handshake::done);
    }
    sys::set_abort_on_close(pair.far.get());
    pair.far.close();
    sys::wait_readable(pair.near.get(), testing::patience_ms);
    if (opened) {
      std::string none;
      const Io io = receive_once(*server, none);
      CHECK(io.state == Io::State::failed);
      CHECK(io.error == ECONNRESET);
      CHECK(std::string(server->failure()) == "");  // errno says it
    } else {
      CHECK(server->handshake() == Handshake::failed);
      CHECK(std::string(server->failure()) == "lost during the TLS handshake");
    }
  }
}

TEST_CASE("tls transport: who leaves during the TLS handshake") {
  const Fixture fixture;
  Conversation silent(*fixture.tls_server, *fixture.tls_client);
  silent.end_to_server();
  CHECK(silent.server->handshake() == Handshake::failed);
  CHECK(std::string(silent.server->failure()) == "");
  CHECK_FALSE(silent.server->heard());

  Conversation begun(*fixture.tls_server, *fixture.tls_client);
  CHECK(begun.client->handshake() == Handshake::waiting);
  begun.to_server(begun.from_client(20));
  begun.end_to_server();
  CHECK(begun.server->handshake() == Handshake::failed);
  CHECK(std::string(begun.server->failure()) == "ended during the TLS handshake");
  CHECK(begun.server->heard());
}

TEST_CASE("tls transport: plain HTTP is known by its first byte, and is left unanswered") {
  const Fixture fixture;
  for (const std::string request : {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "P", "OPTIONS"}) {
    Conversation conversation(*fixture.tls_server, *fixture.tls_client);
    conversation.to_server(request);
    CHECK(conversation.server->handshake() == Handshake::plain_http);
    CHECK(conversation.from_server() == "");
  }
  for (const std::string& nonsense :
       {std::string("get / HTTP/1.1\r\n\r\n"), std::string("\x17\x03\x01\x00\x01x", 6),
        std::string("\x16\x02\x00\x00\x01x", 6)}) {
    Conversation conversation(*fixture.tls_server, *fixture.tls_client);
    conversation.to_server(nonsense);
    CHECK(conversation.server->handshake() == Handshake::failed);
    CHECK(std::string(conversation.server->failure()) != "");
  }
  // In the middle it is no request any more.
  Conversation late(*fixture.tls_server, *fixture.tls_client);
  CHECK(late.client->handshake() == Handshake::waiting);
  late.to_server(late.from_client());
  CHECK(late.server->handshake() == Handshake::waiting);
  late.to_server("GET / HTTP/1.1\r\n\r\n");
  CHECK(late.server->handshake() == Handshake::failed);
}

}  // namespace
}  // namespace sluice
