// What the tests of tls/ share: an authority with what it issues, and a client and a server whose
// bytes all pass through the test's hands.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/unit/net_testing.h"
#include "tests/unit/tls_identity.h"
#include "tls/client.h"
#include "tls/server.h"

namespace sluice::testing {

using Handshake = TlsTransport::Handshake;

inline Credentials credentials_of(const Identity& identity, const std::string& chain_pem = "") {
  Result<Credentials> parsed = parse_certificates(pem_of(identity) + chain_pem);
  REQUIRE(parsed.ok());
  REQUIRE(parse_private_key(key_pem_of(identity), parsed.value()).ok());
  return std::move(parsed.value());
}

// An authority of the test's own. `site` is what most servers show: a.example and 127.0.0.1.
struct Authority {
  Identity root = make_identity({.common_name = "Test CA", .authority = true});
  Identity site = issue("a.example", "DNS:a.example,IP:127.0.0.1");

  Identity issue(const std::string& common_name, const std::string& names = "") const {
    return make_identity({.common_name = common_name, .names = names}, &root);
  }
  std::string pem() const { return pem_of(root); }
};

// One for all tests that need no authority of their own.
inline const Authority& test_authority() {
  static const Authority authority;
  return authority;
}

inline TlsServerSettings showing(const Identity& identity) {
  TlsServerSettings settings;
  settings.credentials.push_back(credentials_of(identity));
  settings.policy.resumption.lifetime_s = 3'600;
  return settings;
}
inline TlsServerSettings server_settings() {
  return showing(test_authority().site);
}
inline TlsClientSettings client_settings() {
  TlsClientSettings settings;
  settings.policy.resumption.lifetime_s = 3'600;
  settings.authorities = test_authority().pem();
  return settings;
}

inline std::unique_ptr<TlsServer> make_server(TlsServerSettings settings = server_settings()) {
  Result<std::unique_ptr<TlsServer>> made = TlsServer::make(std::move(settings));
  REQUIRE(made.ok());
  return std::move(made.value());
}
inline std::unique_ptr<TlsClient> make_client(
    const TlsClientSettings& settings = client_settings()) {
  Result<std::unique_ptr<TlsClient>> made = TlsClient::make(settings);
  REQUIRE(made.ok());
  return std::move(made.value());
}

// What is there, up to `most` bytes, or "".
inline std::string take_raw(int fd, size_t most = std::string::npos) {
  std::string taken;
  while (taken.size() < most) {
    char buffer[65536];
    const ssize_t got = sys::recv(fd, buffer, std::min(most - taken.size(), sizeof buffer));
    if (got <= 0) break;
    taken.append(buffer, static_cast<size_t>(got));
  }
  return taken;
}

inline Io send_text(TlsTransport& transport, std::string_view text) {
  const iovec piece{const_cast<char*>(text.data()), text.size()};
  return transport.send({&piece, 1});
}

// One recv into `room` bytes; `text` gets what came.
inline Io receive_once(TlsTransport& transport, std::string& text, size_t room = 256 * 1024) {
  std::string buffer(room, '\0');
  const iovec piece{buffer.data(), room};
  const Io io = transport.recv({&piece, 1});
  text.append(buffer, 0, io.bytes);
  return io;
}

// Until nothing more is there; `last` says how the stream stands then.
inline std::string receive_all(TlsTransport& transport, Io* last = nullptr,
                               size_t room = 256 * 1024) {
  std::string text;
  Io io;
  do {
    io = receive_once(transport, text, room);
  } while (io.state == Io::State::open);
  if (last != nullptr) *last = io;
  return text;
}

// A client and a server, each at one end of a socket pair of its own. Between the other ends the
// test carries the bytes, as many and as damaged as it likes.
class Conversation {
 public:
  Conversation(const TlsServer& tls_server, const TlsClient& tls_client,
               const std::string& host = "a.example", TlsSessionSlot* slot = nullptr)
      : server(tls_server.accept(server_wire_.near.get())),
        client(tls_client.connect(client_wire_.near.get(), host,
                                  slot == nullptr ? own_slot_ : *slot)) {}

  // Everything, both ways; false where there was nothing.
  bool carry() {
    const std::string up = from_client();
    const std::string down = from_server();
    to_server(up);
    to_client(down);
    return !up.empty() || !down.empty();
  }
  std::string from_client(size_t most = std::string::npos) {
    return take_raw(client_wire_.far.get(), most);
  }
  std::string from_server(size_t most = std::string::npos) {
    return take_raw(server_wire_.far.get(), most);
  }
  void to_client(std::string_view bytes) { give(client_wire_.far.get(), bytes); }
  void to_server(std::string_view bytes) { give(server_wire_.far.get(), bytes); }
  // The peer's FIN, behind everything that was carried.
  void end_to_client() { sys::shutdown_write(client_wire_.far.get()); }
  void end_to_server() { sys::shutdown_write(server_wire_.far.get()); }

  // Goes on until both know the outcome, or nothing moves any more.
  void shake() {
    do {
      if (client_outcome == Handshake::waiting) client_outcome = client->handshake();
      if (server_outcome == Handshake::waiting) server_outcome = server->handshake();
    } while (carry());
    // A failure's alert has arrived, a session ticket has not been read.
    if (client_outcome == Handshake::waiting) client_outcome = client->handshake();
    if (server_outcome == Handshake::waiting) server_outcome = server->handshake();
  }
  // The same where it must succeed.
  void open() {
    shake();
    CAPTURE(client->failure());
    CAPTURE(server->failure());
    REQUIRE(client_outcome == Handshake::done);
    REQUIRE(server_outcome == Handshake::done);
    CHECK(receive_all(*client) == "");  // a session ticket
  }
  int client_fd() const { return client_wire_.near.get(); }
  int server_fd() const { return server_wire_.near.get(); }
  int client_far() const { return client_wire_.far.get(); }
  int server_far() const { return server_wire_.far.get(); }

  Handshake client_outcome = Handshake::waiting;
  Handshake server_outcome = Handshake::waiting;

 private:
  static void give(int fd, std::string_view bytes) {
    if (bytes.empty()) return;
    REQUIRE(sys::send(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }

  TlsSessionSlot own_slot_;
  Pair client_wire_ = unix_pair();
  Pair server_wire_ = unix_pair();

 public:
  std::unique_ptr<TlsTransport> server;
  std::unique_ptr<TlsTransport> client;
};

// What a client tells of a server that shows that: both "" where it trusts it.
struct Opinion {
  std::string failure;
  std::string detail;
};
inline Opinion opinion_on(const Identity& shown, const std::string& host = "a.example",
                          const TlsClientSettings& settings = client_settings()) {
  const auto server = make_server(showing(shown));
  const auto client = make_client(settings);
  Conversation conversation(*server, *client, host);
  conversation.shake();
  const bool trusts = conversation.client_outcome == Handshake::done;
  CHECK(trusts == (conversation.server_outcome == Handshake::done));
  CHECK(trusts == (*conversation.client->failure() == '\0'));
  return {conversation.client->failure(), conversation.client->detail()};
}

// A clock that a test sets: seconds that it is ahead.
inline int64_t ahead_s = 0;
inline int64_t clock_ahead() {
  return system_wall_clock_s() + ahead_s;
}

// Bytes of which no two stretches are alike.
inline std::string pattern(size_t bytes) {
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>(i * 131 + i / 251);
  return text;
}

}  // namespace sluice::testing
