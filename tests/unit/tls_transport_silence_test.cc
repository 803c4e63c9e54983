// TlsTransport, records that hold no data: key updates and tickets, how many a call takes of them
// and how many a connection.
#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "tests/unit/tls_testing.h"
#include "tls/refusal.h"
#include "tls/transport.h"

namespace sluice {
namespace {

using testing::Conversation;
using testing::Handshake;
using testing::receive_all;
using testing::receive_once;
using testing::send_text;

// Open, in TLS 1.3, with a server of so many records in a row without data; 0: any number.
struct Opened {
  explicit Opened(uint32_t most = TlsPolicy().records_without_data) {
    TlsServerSettings settings = testing::server_settings();
    settings.policy.records_without_data = most;
    tls_server = testing::make_server(std::move(settings));
    met = std::make_unique<Conversation>(*tls_server, *tls_client);
    met->open();
    met->carry();
  }
  TlsTransport& client() { return *met->client; }
  TlsTransport& server() { return *met->server; }

  std::unique_ptr<TlsServer> tls_server;
  std::unique_ptr<TlsClient> tls_client = testing::make_client();
  std::unique_ptr<Conversation> met;
};

TEST_CASE("tls transport: a key update is followed, and answered before the next data") {
  Opened opened;
  send_text(opened.client(), "before");
  REQUIRE(SSL_key_update(opened.client().ssl(), SSL_KEY_UPDATE_REQUESTED) == 1);
  send_text(opened.client(), "behind");
  opened.met->carry();
  CHECK(receive_all(opened.server()) == "beforebehind");
  send_text(opened.server(), "answer");
  const std::string raw = opened.met->from_server();
  const size_t first_record = 5 + static_cast<uint8_t>(raw[4]);
  CHECK(raw[3] == 0);
  CHECK(raw.size() > first_record);  // one with the update, one with the data
  opened.met->to_client(raw);
  CHECK(receive_all(opened.client()) == "answer");
  // Thirty of them in one go are neither an echo without end nor held.
  std::string raw_updates;
  for (int i = 0; i < 30; ++i) {
    REQUIRE(SSL_key_update(opened.client().ssl(), SSL_KEY_UPDATE_REQUESTED) == 1);
    send_text(opened.client(), "k");
    raw_updates += opened.met->from_client();
  }
  opened.met->to_server(raw_updates);
  CHECK(receive_all(opened.server()) == std::string(30, 'k'));
  CHECK(opened.server().held_bytes() == 0);
  CHECK(send_text(opened.server(), "answer").bytes == 6);
  opened.met->carry();
  CHECK(receive_all(opened.client()) == "answer");
}

// Each a record; none is answered.
std::string key_updates(Opened& opened, int count) {
  std::string raw;
  for (int i = 0; i < count; ++i) {
    REQUIRE(SSL_key_update(opened.client().ssl(), SSL_KEY_UPDATE_NOT_REQUESTED) == 1);
    REQUIRE(opened.client().handshake() == Handshake::done);  // sends it
    raw += opened.met->from_client();
  }
  return raw;
}

// Handshake messages that OpenSSL takes in.
int messages_taken = 0;
void count_messages(int sent, int, int type, const void*, size_t, SSL*, void*) {
  if (sent == 0 && type == SSL3_RT_HANDSHAKE) ++messages_taken;
}

TEST_CASE("tls transport: more records in a row without data than the limit end the connection") {
  for (const bool in_pieces : {false, true}) {
    for (const uint32_t most : {1U, 7U, 32U, 1'000U}) {
      CAPTURE(in_pieces);
      CAPTURE(most);
      Opened opened(most);
      const auto give = [&](uint32_t count) {
        const std::string raw = key_updates(opened, static_cast<int>(count));
        const size_t piece = in_pieces ? 3 : raw.size();
        Io last;
        for (size_t at = 0; at < raw.size(); at += piece) {
          opened.met->to_server(std::string_view(raw).substr(at, piece));
          receive_all(opened.server(), &last);
        }
        return last.state;
      };
      CHECK(give(most) == Io::State::blocked);
      send_text(opened.client(), "data");
      opened.met->carry();
      CHECK(receive_all(opened.server()) == "data");
      CHECK(give(most) == Io::State::blocked);
      CHECK(opened.server().detail() == "");
      CHECK(give(1) == Io::State::failed);
      CHECK(std::string(opened.server().failure()) ==
            "TLS records without data over tls_max_records_without_data");
      CHECK(opened.server().detail() == describe_silence(most));
    }
  }
  CHECK(describe_silence(1'000) ==
        "TLS record 1,001 in a row without data over tls_max_records_without_data 1000");
}

TEST_CASE("tls transport: records in a row without data are told to be one more than the limit") {
  Opened opened(12);
  opened.met->to_server(key_updates(opened, 30));
  messages_taken = 0;
  SSL_set_msg_callback(opened.server().ssl(), count_messages);
  Io last;
  receive_all(opened.server(), &last);
  CHECK(last.state == Io::State::failed);
  CHECK(messages_taken == 13);
}

TEST_CASE("tls transport: without the limit records without data go on for ever") {
  Opened opened(0);
  opened.met->to_server(key_updates(opened, 2'000));
  Io last;
  CHECK(receive_all(opened.server(), &last) == "");
  CHECK(last.state == Io::State::blocked);
  send_text(opened.client(), "data");
  opened.met->carry();
  CHECK(receive_all(opened.server()) == "data");
}

TEST_CASE("tls transport: tickets without end from a server end the connection, too") {
  Opened opened;
  Io last;
  int given = 0;
  while (last.state != Io::State::failed && given < 100) {
    REQUIRE(SSL_new_session_ticket(opened.server().ssl()) == 1);
    REQUIRE(opened.server().handshake() == Handshake::done);  // sends it
    ++given;
    opened.met->carry();
    CHECK(receive_all(opened.client(), &last) == "");
  }
  CHECK(given == 32);  // one came with the TLS handshake
}

TEST_CASE("tls transport: a call takes few records without data, and little data between them") {
  Opened opened;
  std::string raw;
  std::string text;
  for (int i = 0; i < 20; ++i) {
    raw += key_updates(opened, 31);
    send_text(opened.client(), "k");
    raw += opened.met->from_client();
    text += "k";
  }
  REQUIRE(raw.size() < 64 * 1024);  // one recv has it all
  opened.met->to_server(raw);
  SSL_set_msg_callback(opened.server().ssl(), count_messages);
  std::string got;
  int calls = 0;
  int most_a_call = 0;
  for (Io io; io.state == Io::State::open && !io.short_count; ++calls) {
    messages_taken = 0;
    io = receive_once(opened.server(), got);
    most_a_call = std::max(most_a_call, messages_taken);
    REQUIRE(io.state != Io::State::failed);
  }
  CHECK(got == text);
  CHECK(most_a_call <= 9);
  CHECK(calls >= 20 * 31 / 9);
}

TEST_CASE("tls transport: a TLS handshake takes a turn's share of records") {
  const auto tls_server = testing::make_server();
  const auto tls_client = testing::make_client();
  Conversation conversation(*tls_server, *tls_client);
  SSL_set_max_proto_version(conversation.client->ssl(), TLS1_2_VERSION);
  CHECK(conversation.client->handshake() == Handshake::waiting);
  // HelloRequests are passed over in a TLS handshake, however many come (RFC 5246 7.4.1.1).
  std::string requests;
  for (int i = 0; i < 100; ++i) requests += std::string("\x16\x03\x03\0\x04\0\0\0\0", 9);
  conversation.to_client(requests);
  for (int i = 0; i < 3; ++i) CHECK(conversation.client->handshake() == Handshake::again);
  CHECK(conversation.client->handshake() == Handshake::waiting);
}

TEST_CASE("tls transport: who asks for answers without end and reads none is failed") {
  Opened opened;
  size_t most_held = 0;
  Io last;
  for (int i = 0; i < 100'000 && last.state != Io::State::failed; ++i) {
    REQUIRE(SSL_key_update(opened.client().ssl(), SSL_KEY_UPDATE_REQUESTED) == 1);
    send_text(opened.client(), "k");
    opened.met->to_server(opened.met->from_client());
    receive_all(opened.server(), &last);
    most_held = std::max(most_held, opened.server().held_bytes());
  }
  CHECK(last.state == Io::State::failed);
  CHECK(std::string(opened.server().failure()) == "asks for answers and reads none");
  CHECK(most_held > 64 * 1024);
  CHECK(most_held <= 256 * 1024);
}

}  // namespace
}  // namespace sluice
