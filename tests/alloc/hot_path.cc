// What a message costs once a session relays: no allocation, and exactly two recv, two send and at
// most four epoll_wait for an echo, whatever its payload up to a ring.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "net/check.h"
#include "protocol/handshake.h"
#include "tests/alloc/counted_calls.h"
#include "tests/alloc/failing_malloc.h"
#include "tests/alloc/living_worker.h"

namespace sluice::alloc {

namespace {

const std::string key = "dGhlIHNhbXBsZSBub25jZQ==";

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

void receive_head(int fd) {
  std::string head;
  char byte = 0;
  while (!head.ends_with("\r\n\r\n")) {
    SLUICE_CHECK(::recv(fd, &byte, 1, 0) == 1);
    head += byte;
  }
}

int dial(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  SLUICE_CHECK(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

struct Pair {
  int client = -1;
  int server = -1;
};

Pair open_pair(uint16_t port, int upstream) {
  Pair pair;
  pair.client = dial(port);
  send_all(pair.client,
           "GET / HTTP/1.1\r\nHost: a.example\r\nX-One: 1\r\nUpgrade: websocket\r\n"
           "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
               key + "\r\n\r\n");
  pair.server = ::accept4(upstream, nullptr, nullptr, SOCK_CLOEXEC);
  receive_head(pair.server);
  send_all(pair.server,
           "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Accept: " +
               accept_for_key(key) + "\r\n\r\n");
  receive_head(pair.client);
  for (const int fd : {pair.client, pair.server}) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  return pair;
}

std::string frame(size_t payload_bytes, bool masked) {
  std::string bytes = "\x82";
  bytes += static_cast<char>((payload_bytes < 126 ? static_cast<int>(payload_bytes) : 126) |
                             (masked ? 0x80 : 0));
  if (payload_bytes >= 126) {
    bytes += static_cast<char>(payload_bytes >> 8);
    bytes += static_cast<char>(payload_bytes & 0xff);
  }
  return bytes + std::string(masked ? 4 : 0, '\0') + std::string(payload_bytes, 'x');
}

void echo(const Pair& pair, const std::string& there, const std::string& back) {
  send_all(pair.client, there);
  receive(pair.server, there.size());
  send_all(pair.server, back);
  receive(pair.client, back.size());
}

// Returns how many of its claims failed.
int measure(const Pair& pair, size_t payload_bytes, int messages) {
  const std::string there = frame(payload_bytes, true);
  const std::string back = frame(payload_bytes, false);
  for (int i = 0; i < 100; ++i) echo(pair, there, back);
  ::usleep(50'000);  // the worker is back in its wait
  counted_calls::take();
  const int64_t allocated = failing_malloc::counted();
  for (int i = 0; i < messages; ++i) echo(pair, there, back);
  ::usleep(50'000);
  const counted_calls::Counts calls = counted_calls::take();
  const int64_t allocations = failing_malloc::counted() - allocated;
  std::printf(
      "hot path: %d echoes of %zu bytes: %lld recv, %lld send, %lld epoll_wait, %lld other"
      " calls, %lld allocations\n",
      messages, payload_bytes, static_cast<long long>(calls.recv),
      static_cast<long long>(calls.send), static_cast<long long>(calls.wait),
      static_cast<long long>(calls.others), static_cast<long long>(allocations));
  int failed = 0;
  const auto claim = [&failed](bool holds, const char* what) {
    if (holds) return;
    std::printf("FAILED %s\n", what);
    ++failed;
  };
  claim(calls.recv == 2 * messages, "two recv an echo");
  claim(calls.send == 2 * messages, "two send an echo");
  claim(calls.wait <= 4 * messages + 2, "at most four epoll_wait an echo");
  claim(calls.others == 0, calls.last_other.c_str());
  claim(allocations == 0, "no allocation");
  return failed;
}

int run() {
  const int upstream = open_loopback();
  ::fcntl(upstream, F_SETFL, 0);
  LivingWorker worker(make_config(port_of(upstream)), [] {
    failing_malloc::count_this_thread();
    counted_calls::count_this_thread();
  });
  const Pair pair = open_pair(worker.port(), upstream);
  int failed = measure(pair, 16, 10'000);
  failed += measure(pair, 125, 10'000);
  failed += measure(pair, 4'000, 2'000);
  ::close(pair.client);
  receive(pair.server, 8);  // the Close in the client's name
  ::close(pair.server);
  return failed == 0 ? 0 : 1;
}

}  // namespace

}  // namespace sluice::alloc

int main() {
  return sluice::alloc::run();
}
