// Scripts over blocking sockets with a deadline on every call.
#include "tests/alloc/scripts.h"

#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "protocol/frame_codec.h"
#include "protocol/handshake.h"
#include "tests/alloc/ends.h"
#include "tests/alloc/living_worker.h"

namespace sluice::alloc {

namespace {

constexpr int deadline_ms = 5'000;
const std::string key = "dGhlIHNhbXBsZSBub25jZQ==";
size_t answered_clients = 0;

// A blocking descriptor that is closed at the end; -1 where there is none.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {
    const timeval deadline{deadline_ms / 1000, 0};
    const int on = 1;
    if (fd_ < 0) return;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }

  bool open() const { return fd_ >= 0; }
  bool hung() const { return hung_; }
  void finish() {
    if (ssl_ != nullptr) SSL_shutdown(ssl_.get());
    ::shutdown(fd_, SHUT_WR);
  }
  // From here on all goes through TLS.
  bool secure(bool as_server) {
    const ContextPtr context(SSL_CTX_new(TLS_method()));
    SSL_CTX_use_certificate(context.get(), identity().certificate.get());
    SSL_CTX_use_PrivateKey(context.get(), identity().key.get());
    ssl_.reset(SSL_new(context.get()));
    SSL_set_fd(ssl_.get(), fd_);
    if ((as_server ? SSL_accept(ssl_.get()) : SSL_connect(ssl_.get())) == 1) return true;
    return note_hang();
  }

  bool send(const std::string& bytes) {
    size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t sent = send_some(bytes.data() + done, bytes.size() - done);
      if (sent <= 0) return note_hang();
      done += static_cast<size_t>(sent);
    }
    return true;
  }
  // Reads until `text` holds `until`, or that many bytes where `until` is empty.
  bool read(std::string& text, const std::string& until, size_t bytes) {
    char buffer[65536];
    text += std::exchange(behind_head_, "");
    while (until.empty() ? text.size() < bytes : text.find(until) == std::string::npos) {
      errno = 0;
      const ssize_t got = recv_some(buffer, sizeof buffer);
      if (got <= 0) return got < 0 ? note_hang() : false;
      text.append(buffer, static_cast<size_t>(got));
    }
    return true;
  }
  // Frames that come with it are kept for the next read.
  bool read_head(std::string& text) {
    if (!read(text, "\r\n\r\n", 0)) return false;
    behind_head_ = text.substr(text.find("\r\n\r\n") + 4);
    return true;
  }
  bool read_bytes(size_t bytes) {
    std::string text;
    return read(text, "", bytes);
  }
  void read_to_end() { read_bytes(SIZE_MAX); }

 private:
  ssize_t send_some(const char* bytes, size_t count) {
    if (ssl_ == nullptr) return ::send(fd_, bytes, count, MSG_NOSIGNAL);
    return SSL_write(ssl_.get(), bytes, static_cast<int>(count));
  }
  ssize_t recv_some(char* buffer, size_t count) {
    if (ssl_ == nullptr) return ::recv(fd_, buffer, count, 0);
    return SSL_read(ssl_.get(), buffer, static_cast<int>(count));
  }
  bool note_hang() {
    hung_ = errno == EAGAIN || errno == EWOULDBLOCK;
    return false;
  }

  int fd_;
  bool hung_ = false;
  std::string behind_head_;
  SslPtr ssl_;
};

// The proxy's connection, or -1 where the client's end says first that none will come.
int accept_unless_refused(const Stage& stage, int client) {
  pollfd both[2] = {{stage.upstream, POLLIN, 0}, {client, POLLRDHUP, 0}};
  if (::poll(both, 2, deadline_ms) <= 0 || (both[0].revents & POLLIN) == 0) return -1;
  return ::accept4(stage.upstream, nullptr, nullptr, SOCK_CLOEXEC);
}

std::string request(const std::string& target, const std::string& host = "a.example") {
  return "GET " + target + " HTTP/1.1\r\nHost: " + host +
         "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\nX-One: 1\r\n"
         "Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Key: " +
         key + "\r\n\r\n";
}

std::string answer() {
  return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Accept: " +
         accept_for_key(key) + "\r\n\r\n";
}

std::string control(Opcode opcode, const std::string& payload, bool masked) {
  const uint8_t mask[4] = {1, 2, 3, 4};
  uint8_t out[max_control_frame_bytes];
  const std::span data(reinterpret_cast<const uint8_t*>(payload.data()), payload.size());
  const size_t bytes = encode_control_frame(opcode, data, masked ? mask : nullptr, out);
  return std::string(reinterpret_cast<const char*>(out), bytes);
}

const std::string normal_close("\x03\xe8", 2);

std::string outcome(const char* what, bool healthy, std::initializer_list<const Socket*> sockets) {
  for (const Socket* socket : sockets) {
    if (socket->hung()) return std::string(what) + ": a peer waits for ever";
  }
  return healthy ? std::string(what) + ": failed without a failed allocation" : "";
}

// Which legs are in TLS, and what comes right behind the handshake.
struct Setting {
  bool client_tls = false;
  bool upstream_tls = false;
  std::string target = "/";
  std::string from_client = {};
  std::string from_server = {};
};

// Both ends of a session that relays; `server` is closed where the handshake did not come so far.
bool open_session(const Stage& stage, Socket& client, std::unique_ptr<Socket>& server, int fd,
                  const Setting& setting) {
  std::string head;
  if (setting.client_tls && !client.secure(false)) return false;
  const std::string target = setting.upstream_tls ? "/secure" : setting.target;
  if (!client.send(request(target) + setting.from_client)) return false;
  server = std::make_unique<Socket>(accept_unless_refused(stage, fd));
  if (!server->open() || (setting.upstream_tls && !server->secure(true))) return false;
  if (!server->read_head(head)) return false;
  if (head.starts_with("GET /verify ")) {  // an authorizer is asked first
    if (!server->send("HTTP/1.1 200 OK\r\nX-User: a\r\nConnection: close\r\n\r\n")) return false;
    server = std::make_unique<Socket>(accept_unless_refused(stage, fd));
    head.clear();
    if (!server->open() || !server->read_head(head)) return false;
  }
  if (!server->send(answer() + setting.from_server)) return false;
  std::string answered;
  if (!client.read_head(answered) || answered.find(" 101 ") == std::string::npos) return false;
  ++answered_clients;
  return true;
}

using Talk = bool (*)(Socket& client, Socket& server);

std::string play_session(const Stage& stage, bool healthy, Talk talk, const Setting& setting = {}) {
  const int fd = try_dial(setting.client_tls ? stage.tls_port : stage.proxy_port);
  Socket client(fd);
  std::unique_ptr<Socket> server;
  if (!client.open()) return "the proxy does not accept";
  const bool good = open_session(stage, client, server, fd, setting) && talk(client, *server);
  // Whatever happened, both peers see the end, once they end their halves themselves.
  client.finish();
  if (server && server->open()) {
    server->finish();
    server->read_to_end();
  }
  client.read_to_end();
  if (good) return "";
  static const Socket none(-1);
  return outcome("session", healthy, {&client, server ? server.get() : &none});
}

// Messages small and large, a control frame in pieces, an orderly Close.
bool talk_in_order(Socket& client, Socket& server) {
  const std::string ping = control(Opcode::ping, "are you there", true);
  const std::string small = frame(100, true);
  const std::string large = frame(600'000, false);
  if (!client.send(small) || !server.read_bytes(small.size())) return false;
  if (!server.send(large) || !client.read_bytes(large.size())) return false;
  if (!client.send(ping.substr(0, 3))) return false;
  ::usleep(2'000);
  if (!client.send(ping.substr(3)) || !server.read_bytes(ping.size())) return false;
  if (!client.send(control(Opcode::close, normal_close, true))) return false;
  if (!server.read_bytes(8) || !server.send(control(Opcode::close, normal_close, false))) {
    return false;
  }
  return client.read_bytes(4);
}

// A bad frame: a Close of ours for its sender, the other one sees an end.
bool talk_badly(Socket& client, Socket& server) {
  if (!client.send("\xff\xff\xff\xff") || !client.read_bytes(4)) return false;
  return !server.read_bytes(1) && !server.hung();
}

// One peer leaves without a Close, and one does not read what waits for it.
bool talk_and_leave(Socket& client, Socket& server) {
  if (!server.send(frame(200'000, false))) return false;
  ::usleep(5'000);
  if (!server.send(frame(10, false))) return false;
  server.finish();
  return client.read_bytes(200'000);
}

// Frames came right behind the handshake on both sides, the upstream's with a Close at the end.
bool talk_early(Socket& client, Socket& server) {
  if (!server.read_bytes(frame(1'000, true).size())) return false;
  if (!client.read_bytes(frame(1'000, false).size() + 4)) return false;
  return client.send(control(Opcode::close, normal_close, true)) && server.read_bytes(8);
}

// Nobody says anything until idle_timeout: a Close of ours goes both ways.
bool talk_not_at_all(Socket& client, Socket& server) {
  return client.read_bytes(4) && server.read_bytes(8);
}

std::string play_in_order(const Stage& stage, bool healthy) {
  return play_session(stage, healthy, talk_in_order);
}
std::string play_in_tls(const Stage& stage, bool healthy) {
  return play_session(stage, healthy, talk_in_order, {.client_tls = true});
}
std::string play_toward_tls(const Stage& stage, bool healthy) {
  return play_session(stage, healthy, talk_in_order, {.upstream_tls = true});
}
std::string play_badly(const Stage& stage, bool healthy) {
  return play_session(stage, healthy, talk_badly);
}
std::string play_leaving(const Stage& stage, bool healthy) {
  return play_session(stage, healthy, talk_and_leave);
}

std::string play_early(const Stage& stage, bool healthy) {
  const std::string close = control(Opcode::close, normal_close, false);
  Setting setting;
  setting.from_client = frame(1'000, true);
  setting.from_server = frame(1'000, false) + close;
  return play_session(stage, healthy, talk_early, setting);
}
std::string play_idle(const Stage& stage, bool healthy) {
  return play_session(stage, healthy, talk_not_at_all, {.target = "/idle"});
}

std::string play_request(const Stage& stage, bool healthy, const std::string& bytes,
                         const char* status) {
  Socket client(try_dial(stage.proxy_port));
  std::string answered;
  const bool good = client.open() && client.send(bytes) && client.read_head(answered) &&
                    answered.find(status) != std::string::npos;
  client.finish();
  client.read_to_end();
  return good ? "" : outcome(status, healthy, {&client});
}

std::string play_guarded(const Stage& stage, bool healthy) {
  return play_session(stage, healthy, talk_in_order, {.target = "/guarded"});
}

std::string play_no_route(const Stage& stage, bool healthy) {
  return play_request(stage, healthy, request("/", "elsewhere.example"), " 404 ");
}
std::string play_nonsense(const Stage& stage, bool healthy) {
  return play_request(stage, healthy, "(nonsense)\r\n\r\n", " 400 ");
}
std::string play_dead_peers(const Stage& stage, bool healthy) {
  return play_request(stage, healthy, request("/dead"), " 502 ");
}

std::string play_refusal(const Stage& stage, bool healthy) {
  const int fd = try_dial(stage.proxy_port);
  Socket client(fd);
  if (!client.open()) return "the proxy does not accept";
  client.send(request("/"));
  Socket server(accept_unless_refused(stage, fd));
  std::string head;
  std::string answered;
  const bool good =
      server.open() && server.read_head(head) &&
      server.send(
          "HTTP/1.1 401 No\r\nX-Why: b\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n") &&
      server.send("0\r\n\r\n") && client.read(answered, "0\r\n\r\n", 0);
  client.finish();
  client.read_to_end();
  return good ? "" : outcome("refusal", healthy, {&client, &server});
}

constexpr Script all[] = {
    {"a session in order", play_in_order},
    {"a session in order that is traced", play_in_order, 1, true},
    {"a session in TLS", play_in_tls, 29},
    {"a session toward TLS", play_toward_tls, 61},
    {"a bad frame", play_badly},
    {"a peer that leaves", play_leaving},
    {"early frames", play_early},
    {"idle_timeout", play_idle},
    {"no route", play_no_route},
    {"nonsense", play_nonsense},
    {"dead peers", play_dead_peers},
    {"dead peers that are traced", play_dead_peers, 1, true},
    {"an upstream's refusal", play_refusal},
    {"a session that an authorizer lets in", play_guarded},
    {"the same that is traced", play_guarded, 1, true},
};

}  // namespace

std::span<const Script> scripts() {
  return all;
}

size_t clients_answered() {
  return answered_clients;
}

}  // namespace sluice::alloc
