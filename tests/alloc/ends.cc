// Blocking calls without a deadline: the test's own is in CMakeLists.txt.
#include "tests/alloc/ends.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "net/check.h"
#include "protocol/handshake.h"

namespace sluice::alloc {

namespace {

const std::string key = "dGhlIHNhbXBsZSBub25jZQ==";

void receive_head(int fd) {
  std::string head;
  char byte = 0;
  while (!head.ends_with("\r\n\r\n")) {
    SLUICE_CHECK(::recv(fd, &byte, 1, 0) == 1);
    head += byte;
  }
}

}  // namespace

void send_all(int fd, const std::string& bytes) {
  SLUICE_CHECK(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
               static_cast<ssize_t>(bytes.size()));
}

void receive(int fd, size_t bytes) {
  char buffer[65536];
  while (bytes > 0) {
    const ssize_t got = ::recv(fd, buffer, std::min(bytes, sizeof buffer), 0);
    SLUICE_CHECK(got > 0);
    bytes -= static_cast<size_t>(got);
  }
}

int try_dial(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return -1;
}

int dial(uint16_t port) {
  const int fd = try_dial(port);
  SLUICE_CHECK(fd >= 0);
  return fd;
}

void Pair::send(const std::string& bytes) const {
  if (tls == nullptr) return send_all(client, bytes);
  const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};  // NOLINT: it only reads
  SLUICE_CHECK(tls->send({&piece, 1}).bytes == bytes.size());
}

void Pair::receive(size_t bytes) const {
  if (tls == nullptr) return alloc::receive(client, bytes);
  char buffer[65536];
  while (bytes > 0) {
    const iovec piece{buffer, sizeof buffer};
    const Io io = tls->recv({&piece, 1});
    SLUICE_CHECK(io.state == Io::State::open && io.bytes <= bytes);
    bytes -= io.bytes;
  }
}

Pair open_pair(uint16_t port, int upstream, const TlsClient* tls, TlsSessionSlot& session,
               const std::string& target) {
  Pair pair;
  pair.client = dial(port);
  if (tls != nullptr) {
    pair.tls = tls->connect(pair.client, "127.0.0.1", session);
    SLUICE_CHECK(pair.tls->handshake() == TlsTransport::Handshake::done);
  }
  pair.send("GET " + target +
            " HTTP/1.1\r\nHost: a.example\r\nX-One: 1\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
            key + "\r\n\r\n");
  pair.server = ::accept4(upstream, nullptr, nullptr, SOCK_CLOEXEC);
  receive_head(pair.server);
  const std::string answer =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: " +
      accept_for_key(key) + "\r\n\r\n";
  send_all(pair.server, answer);
  pair.receive(answer.size());
  for (const int fd : {pair.client, pair.server}) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  return pair;
}

std::string frame(uint64_t payload_bytes, bool masked) {
  const int length_bytes = payload_bytes < 126 ? 0 : payload_bytes < 65'536 ? 2 : 8;
  const uint64_t short_length = length_bytes == 0 ? payload_bytes : length_bytes == 2 ? 126 : 127;
  std::string bytes = "\x82";
  bytes += static_cast<char>(short_length | (masked ? 0x80 : 0));
  for (int i = length_bytes - 1; i >= 0; --i) {
    bytes += static_cast<char>(payload_bytes >> (8 * i));
  }
  return bytes + std::string(masked ? 4 : 0, '\0') + std::string(payload_bytes, 'x');
}

void close_pair(const Pair& pair) {
  ::close(pair.client);
  char byte;
  SLUICE_CHECK(::recv(pair.server, &byte, 1, 0) <= 0);  // a loss: an end without a Close
  ::close(pair.server);
}

void echo(const Pair& pair, const std::string& there, const std::string& back) {
  pair.send(there);
  receive(pair.server, there.size());
  send_all(pair.server, back);
  pair.receive(back.size());
}

int claim(bool holds, const char* what) {
  if (!holds) std::printf("FAILED %s\n", what);
  return holds ? 0 : 1;
}

}  // namespace sluice::alloc
