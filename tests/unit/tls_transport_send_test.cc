// TlsTransport, sending: records and system calls for what one call is given, and what is held,
// committed and told as sent where the socket does not take it all.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/tls_testing.h"
#include "tls/transport.h"

namespace sluice {
namespace {

using testing::Conversation;
using testing::Descriptor;
using testing::Handshake;
using testing::pattern;
using testing::receive_all;
using testing::send_text;

constexpr size_t record_overhead = 5 + 1 + 16;  // TLS 1.3: header, type, tag

struct Fixture {
  std::unique_ptr<TlsServer> tls_server = testing::make_server();
  std::unique_ptr<TlsClient> tls_client = testing::make_client();
};

struct Opened : Fixture {
  Opened() { conversation.open(); }
  TlsTransport& client() { return *conversation.client; }
  TlsTransport& server() { return *conversation.server; }

  Conversation conversation{*tls_server, *tls_client};
};

// The plaintext sizes of the records, of which the last may not be whole.
std::vector<size_t> records_in(const std::string& raw) {
  std::vector<size_t> sizes;
  for (size_t at = 0; at + 5 <= raw.size();) {
    const size_t bytes =
        static_cast<uint8_t>(raw[at + 3]) * size_t{256} + static_cast<uint8_t>(raw[at + 4]);
    sizes.push_back(bytes + 5 - record_overhead);
    at += 5 + bytes;
  }
  return sizes;
}

// Where every send makes a packet and every recv takes one: system calls can be counted.
struct PacketPair {
  PacketPair() {
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    near = Descriptor(fds[0]);
    far = Descriptor(fds[1]);
    const int bytes = 1 << 20;
    for (const int fd : fds) {
      REQUIRE(::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) == 0);
    }
  }
  std::vector<std::string> packets() {
    std::vector<std::string> all;
    std::string buffer(256 * 1024, '\0');
    for (;;) {
      const ssize_t got = sys::recv(far.get(), buffer.data(), buffer.size());
      if (got <= 0) return all;
      all.push_back(buffer.substr(0, static_cast<size_t>(got)));
    }
  }
  void give(const std::string& bytes) {
    REQUIRE(sys::send(far.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  Descriptor near;
  Descriptor far;
};

// A client and a server, both over packets.
struct Packets : Fixture {
  Packets()
      : server(tls_server->accept(server_wire.near.get())),
        client(tls_client->connect(client_wire.near.get(), "a.example", slot)) {
    Handshake at_client = Handshake::waiting;
    Handshake at_server = Handshake::waiting;
    for (int i = 0; i < 10 && (at_client != Handshake::done || at_server != Handshake::done); ++i) {
      if (at_client != Handshake::done) at_client = client->handshake();
      for (const std::string& packet : client_wire.packets()) server_wire.give(packet);
      if (at_server != Handshake::done) at_server = server->handshake();
      for (const std::string& packet : server_wire.packets()) client_wire.give(packet);
    }
    REQUIRE(at_client == Handshake::done);
    REQUIRE(at_server == Handshake::done);
    CHECK(receive_all(*client) == "");
  }

  TlsSessionSlot slot;
  PacketPair client_wire;
  PacketPair server_wire;
  std::unique_ptr<TlsTransport> server;
  std::unique_ptr<TlsTransport> client;
};

TEST_CASE("tls transport: a TLS handshake is one send for each flight") {
  const Fixture fixture;
  PacketPair client_wire;
  PacketPair server_wire;
  TlsSessionSlot slot;
  const auto server = fixture.tls_server->accept(server_wire.near.get());
  const auto client = fixture.tls_client->connect(client_wire.near.get(), "a.example", slot);
  CHECK(client->handshake() == Handshake::waiting);
  const auto hello = client_wire.packets();
  REQUIRE(hello.size() == 1);
  server_wire.give(hello[0]);
  CHECK(server->handshake() == Handshake::waiting);
  const auto flight = server_wire.packets();
  REQUIRE(flight.size() == 1);
  client_wire.give(flight[0]);
  CHECK(client->handshake() == Handshake::done);
  const auto finished = client_wire.packets();
  REQUIRE(finished.size() == 1);
  server_wire.give(finished[0]);
  CHECK(server->handshake() == Handshake::done);
  CHECK(server_wire.packets().size() == 1);  // the session ticket
}

TEST_CASE("tls transport: one recv for many records") {
  Packets ends;
  std::string sent;
  std::string raw;
  for (int i = 0; i < 200; ++i) {
    const std::string message = "message " + std::to_string(i) + ";";
    CHECK(send_text(*ends.client, message).bytes == message.size());
    sent += message;
  }
  const auto packets = ends.client_wire.packets();
  CHECK(packets.size() == 200);
  for (const std::string& packet : packets) raw += packet;
  ends.server_wire.give(raw);
  ends.server_wire.give("a second recv would find this");
  std::string got;
  const Io io = testing::receive_once(*ends.server, got);
  CHECK(got == sent);
  CHECK(io.state == Io::State::open);
  CHECK(io.short_count);
  CHECK(ends.server->failure() == std::string());
  CHECK(testing::take_raw(ends.server_wire.near.get()) == "a second recv would find this");
}

TEST_CASE("tls transport: one send for up to 64 KiB, in as few records as fit") {
  Packets ends;
  for (const size_t bytes : {size_t{1}, size_t{16'384}, size_t{16'385}, size_t{65'536}}) {
    CAPTURE(bytes);
    const std::string text = pattern(bytes);
    const Io io = send_text(*ends.client, text);
    CHECK(io.bytes == bytes);
    CHECK(io.state == Io::State::open);
    CHECK_FALSE(io.short_count);
    const auto packets = ends.client_wire.packets();
    REQUIRE(packets.size() == 1);
    CHECK(records_in(packets[0]).size() == (bytes + 16'383) / 16'384);
    CHECK(packets[0].size() == bytes + record_overhead * records_in(packets[0]).size());
  }
  // More than that takes another call.
  const Io io = send_text(*ends.client, pattern(100'000));
  CHECK(io.bytes == 65'536);
  CHECK_FALSE(io.short_count);
  CHECK(ends.client_wire.packets().size() == 1);
}

TEST_CASE("tls transport: a seam between two pieces costs no record") {
  Packets ends;
  const std::string text = pattern(40'000);
  for (const size_t seam :
       std::initializer_list<size_t>{1, 100, 16'383, 16'384, 16'385, 30'000, 32'768, 39'999}) {
    CAPTURE(seam);
    const iovec pieces[] = {{const_cast<char*>(text.data()), seam},
                            {const_cast<char*>(text.data()) + seam, text.size() - seam}};
    CHECK(ends.client->send(pieces).bytes == text.size());
    const auto packets = ends.client_wire.packets();
    REQUIRE(packets.size() == 1);
    CHECK(records_in(packets[0]) == std::vector<size_t>{16'384, 16'384, 7'232});
    ends.server_wire.give(packets[0]);
    CHECK(receive_all(*ends.server) == text);
  }
}

void shrink_send_buffer(int fd) {
  const int bytes = 1;  // the kernel's least
  REQUIRE(::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) == 0);
}

// How many plaintext bytes are in this much of a stream of records.
size_t plaintext_in(const std::string& raw) {
  size_t sum = 0;
  size_t begin = 0;
  for (const size_t bytes : records_in(raw)) {
    sum += std::min(bytes, raw.size() - begin - 5);
    begin += bytes + record_overhead;
  }
  return sum;
}

// What lies unread in a socket; it stays there.
std::string peek(int fd) {
  std::string bytes(256 * 1024, '\0');
  const ssize_t got = ::recv(fd, bytes.data(), bytes.size(), MSG_PEEK);
  return bytes.substr(0, got > 0 ? static_cast<size_t>(got) : 0);
}

TEST_CASE("tls transport: what the socket does not take is held, and told as sent once it left") {
  for (const size_t taken_at_once : std::initializer_list<size_t>{53, 700, 5'000}) {
    CAPTURE(taken_at_once);
    Opened opened;
    TlsTransport& client = opened.client();
    shrink_send_buffer(opened.conversation.client_fd());
    const std::string text = pattern(150'000);
    std::string raw;
    std::string got;
    size_t told = 0;
    int partial = 0;
    while (told < text.size()) {
      const size_t committed = client.committed();
      const Io io = send_text(client, std::string_view(text).substr(told));
      REQUIRE(io.state != Io::State::failed);
      CHECK((io.state == Io::State::blocked) == (io.bytes == 0));
      if (committed > io.bytes) CHECK(client.committed() == committed - io.bytes);
      told += io.bytes;
      const bool held = client.committed() > 0;
      partial += held ? 1 : 0;
      // Whoever sees everything told as sent may end the connection: nothing is held then.
      CHECK(held == (client.held_bytes() > 0));
      REQUIRE(client.committed() <= text.size() - told);
      if (held) CHECK((io.short_count || io.state == Io::State::blocked));
      CHECK(told <= plaintext_in(raw + peek(opened.conversation.client_far())));
      const std::string taken = opened.conversation.from_client(taken_at_once);
      raw += taken;
      opened.conversation.to_server(taken);
      got += receive_all(opened.server());
    }
    CHECK(client.held_bytes() == 0);
    opened.conversation.to_server(opened.conversation.from_client());
    got += receive_all(opened.server());
    CHECK(got == text);
    CHECK(partial > 10);
  }
}

TEST_CASE("tls transport: a close_notify that finds no room goes out at a later call") {
  Opened opened;
  TlsTransport& client = opened.client();
  shrink_send_buffer(opened.conversation.client_fd());
  const std::string text = pattern(60'000);
  const Io io = send_text(client, text);
  REQUIRE(client.committed() > 0);
  size_t told = io.bytes;
  int refused = 0;
  std::string got;
  while (!client.shutdown_write()) {
    ++refused;
    opened.conversation.carry();
    Io last;
    got += receive_all(opened.server(), &last);
    REQUIRE(last.state == Io::State::blocked);  // neither close_notify nor FIN overtakes
  }
  CHECK(refused > 0);
  CHECK(told + client.committed() == text.size());  // its caller is told by send() alone
  opened.conversation.carry();
  opened.conversation.end_to_server();
  Io last;
  got += receive_all(opened.server(), &last);
  CHECK(last.state == Io::State::ended);
  // All that was encrypted, though not all of it was told as sent.
  CHECK(got == text);
  CHECK(told < text.size());
  CHECK(::send(opened.conversation.client_fd(), "x", 1, MSG_NOSIGNAL) < 0);  // FIN
}

TEST_CASE("tls transport: sending to nobody fails with its errno") {
  for (const bool held : {false, true}) {
    CAPTURE(held);
    const Fixture fixture;
    testing::Pair pair = testing::unix_pair();
    const auto server = fixture.tls_server->accept(pair.near.get());
    TlsSessionSlot slot;
    const auto client = fixture.tls_client->connect(pair.far.get(), "a.example", slot);
    Handshake at_client = Handshake::waiting;
    Handshake at_server = Handshake::waiting;
    for (int i = 0; i < 4; ++i) {
      if (at_client != Handshake::done) at_client = client->handshake();
      if (at_server != Handshake::done) at_server = server->handshake();
    }
    REQUIRE(at_server == Handshake::done);
    if (held) {
      shrink_send_buffer(pair.near.get());
      send_text(*server, pattern(60'000));
      REQUIRE(server->committed() > 0);
    }
    pair.far.close();
    const Io io = send_text(*server, pattern(60'000));
    CHECK(io.state == Io::State::failed);
    CHECK(io.error == EPIPE);
    CHECK(io.bytes == 0);
    CHECK(server->shutdown_write());  // nothing to wait for
    CHECK(server->held_bytes() == 0);
  }
}

TEST_CASE("tls transport: an idle connection holds nothing, a part of a record is held") {
  Opened opened;
  opened.conversation.carry();
  CHECK(opened.client().held_bytes() == 0);
  CHECK(opened.server().held_bytes() == 0);
  send_text(opened.client(), pattern(50'000));
  const std::string raw = opened.conversation.from_client();
  for (const size_t room : std::initializer_list<size_t>{1'000, 256 * 1'024}) {
    CAPTURE(room);
    if (room == 1'000) opened.conversation.to_server(raw);
    receive_all(opened.server(), nullptr, room);
    CHECK(opened.server().held_bytes() == 0);
    std::string more;
    CHECK(testing::receive_once(opened.server(), more).state == Io::State::blocked);
    CHECK(opened.server().held_bytes() == 0);
    if (room == 1'000) {
      send_text(opened.client(), pattern(50'000));
      opened.conversation.carry();
    }
  }
}

TEST_CASE("tls transport: held bytes have memory only while there are any") {
  const size_t before = tls_held_bytes();
  HeldBytes held;
  CHECK(held.empty());
  CHECK(held.data == nullptr);
  const uint8_t bytes[] = {1, 2, 3, 4};
  held.append(bytes);
  held.drop(1);
  CHECK(tls_held_bytes() == before + 4);  // what was dropped still takes room
  held.append(std::span(bytes).first(2));
  REQUIRE(held.size() == 5);
  CHECK(tls_held_bytes() == before + 5);
  {
    HeldBytes other;
    other.append(bytes);
    CHECK(tls_held_bytes() == before + 9);
  }
  CHECK(tls_held_bytes() == before + 5);
  CHECK(std::vector<uint8_t>(held.first(), held.first() + 5) ==
        std::vector<uint8_t>{2, 3, 4, 1, 2});
  held.append({});
  held.drop(4);
  CHECK(held.size() == 1);
  held.drop(1);
  CHECK(held.empty());
  CHECK(held.data == nullptr);  // its memory is gone with the last byte
  CHECK(tls_held_bytes() == before);
}

}  // namespace
}  // namespace sluice
