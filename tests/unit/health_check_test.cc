// HealthCheck: what is asked, and what is taken for a well peer.
#include "core/keeper/health_check.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <string>

#include "protocol/handshake.h"
#include "tests/unit/tls_testing.h"
#include "tests/unit/worker_testing.h"

namespace sluice {
namespace {

using testing::Descriptor;
using testing::recv_text;
using testing::send_text;
using Kind = CheckSettings::Kind;
using Step = HealthCheck::Step;

// A check of a peer that the test plays; the reactor's handler as well.
class Checking final : public EventHandler {
 public:
  explicit Checking(Kind kind, const std::string& path = "", const std::string& uri = "")
      : target(make_target(uri.empty() ? upstream.uri() : uri, kind, path)),
        check(reactor, Watch{reactor.attach(*this), Handle{1, 1}, 0}, target) {
    REQUIRE(reactor.open().ok());
    prepare_frame_codec();
  }

  void on_ready(Handle, unsigned, Readiness ready) override {
    check.note(ready);
    run();
  }
  void on_timer(Handle, unsigned) override {}
  void on_run(Handle) override { run(); }

  // Begins, and returns the peer's end of the connection.
  Descriptor begin() {
    step = check.begin();
    REQUIRE(step == Step::wait);
    return upstream.accept();
  }
  template <class Done>
  bool turn_until(Done done) {
    for (int i = 0; i < testing::patience_ms && !done(); ++i) reactor.turn(1);
    return done();
  }
  bool ends() {
    return turn_until([this] { return step != Step::wait && step != Step::again; });
  }
  // What the peer has been sent, up to and with that text.
  std::string heard(const Descriptor& peer, const std::string& until) {
    std::string all;
    CHECK(turn_until([&] {
      all += recv_text(peer.get());
      return all.find(until) != std::string::npos;
    }));
    return all;
  }
  // What comes of that answer.
  std::string outcome(const std::string& answer) {
    const Descriptor peer = begin();
    heard(peer, "\r\n\r\n");
    send_text(peer.get(), answer);
    sys::shutdown_write(peer.get());
    CHECK(ends());
    return step == Step::passed ? "passed" : check.why();
  }

 private:
  static CheckTarget make_target(const std::string& uri, Kind kind, const std::string& path) {
    CheckTarget made;
    made.uri = parse_server_uri(uri).value();
    made.address = Address::parse(made.uri.host + ":" + std::to_string(made.uri.port)).value();
    made.settings.kind = kind;
    made.settings.path = path;
    made.settings.timeout_ms = 2'000;
    return made;
  }
  void run() {
    if (step == Step::wait || step == Step::again) step = check.run();
    if (step == Step::again) reactor.enqueue(0, Handle{1, 1});
  }

 public:
  testing::TestUpstream upstream;
  Reactor reactor;
  CheckTarget target;
  HealthCheck check;
  Step step = Step::wait;
};

std::string field_of(const std::string& head, const std::string& name) {
  const size_t at = head.find(name + ": ") + name.size() + 2;
  return head.substr(at, head.find('\r', at) - at);
}

TEST_CASE("health check: tcp passes where somebody listens") {
  Checking c(Kind::tcp);
  const Descriptor peer = c.begin();
  CHECK(c.ends());
  CHECK(c.step == Step::passed);
  CHECK(check_text(c.target) == "health_check tcp");
}

TEST_CASE("health check: a peer that refuses, and one that is late") {
  Checking refused(Kind::tcp, "", testing::nobody_uri());
  refused.step = refused.check.begin();
  CHECK(refused.ends());
  CHECK(refused.step == Step::failed);
  CHECK(refused.check.fault() == PeerFault::error);
  CHECK(refused.check.why() == "connect: Connection refused");

  Checking silent(Kind::http, "/ping");
  const Descriptor peer = silent.begin();
  silent.heard(peer, "\r\n\r\n");
  CHECK(silent.check.on_timeout() == Step::failed);
  CHECK(silent.check.fault() == PeerFault::timeout);
  CHECK(silent.check.why() == "no answer within timeout=2s");

  Checking unconnected(Kind::http, "/ping");
  CHECK(unconnected.check.begin() == Step::wait);
  CHECK(unconnected.check.on_timeout() == Step::failed);
  CHECK(unconnected.check.why() == "no connection within timeout=2s");
}

TEST_CASE("health check: http asks for its path at the server's host, or the one that is named") {
  for (const std::string host : {"", "app.example"}) {
    CAPTURE(host);
    Checking c(Kind::http, "/healthz?deep=1");
    c.target.settings.host = host;
    const Descriptor peer = c.begin();
    const std::string head = c.heard(peer, "\r\n\r\n");
    CHECK(head.starts_with("GET /healthz?deep=1 HTTP/1.1\r\n"));
    CHECK(field_of(head, "Host") == (host.empty() ? c.target.uri.authority : host));
    CHECK(field_of(head, "Connection") == "close");
    send_text(peer.get(), "HTTP/1.1 204 No Content\r\n\r\n");
    // The peer is well; that it closes is awaited, so that nobody is sent a RST.
    for (int i = 0; i < 20; ++i) c.reactor.turn(1);
    CHECK(c.step == Step::wait);
    sys::shutdown_write(peer.get());
    CHECK(c.ends());
    CHECK(c.step == Step::passed);
  }
}

TEST_CASE("health check: it comes as sessions do: behind a PROXY header, from an address of ours") {
  for (const SendProxyProtocol version : {SendProxyProtocol::v1, SendProxyProtocol::v2}) {
    Checking c(Kind::http, "/");
    c.target.settings.send_proxy_protocol = version;
    c.target.settings.bind_addresses = {Address::parse("[::1]:0").value(),
                                        Address::parse("127.0.0.2:0").value()};
    const Descriptor peer = c.begin();
    sockaddr_in from{};
    socklen_t bytes = sizeof from;
    REQUIRE(::getpeername(peer.get(), reinterpret_cast<sockaddr*>(&from), &bytes) == 0);
    CHECK(ntohl(from.sin_addr.s_addr) == 0x7f000002);
    const std::string head = c.heard(peer, "HTTP/1.1\r\n");
    const std::string local("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16);
    const std::string request = "GET / HTTP/1.1\r\n";
    CHECK(head.starts_with(version == SendProxyProtocol::v1 ? "PROXY UNKNOWN\r\n" + request
                                                            : local + request));
  }
}

TEST_CASE("health check: a peer that is well and does not close is left when its time is over") {
  Checking c(Kind::http, "/");
  const Descriptor peer = c.begin();
  c.heard(peer, "\r\n\r\n");
  send_text(peer.get(), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  for (int i = 0; i < 20; ++i) c.reactor.turn(1);
  CHECK(c.check.on_timeout() == Step::passed);

  Checking endless(Kind::http, "/");
  const Descriptor talker = endless.begin();
  endless.heard(talker, "\r\n\r\n");
  send_text(talker.get(), "HTTP/1.1 200 OK\r\n\r\n");
  const std::string more(16'384, 'x');
  CHECK(endless.turn_until([&] {
    static_cast<void>(sys::send(talker.get(), more.data(), more.size()));
    return endless.step == Step::passed;
  }));
}

TEST_CASE("health check: statuses that are well, and answers that are none") {
  const auto outcome = [](const std::string& answer) {
    Checking c(Kind::http, "/ping");
    c.target.settings.statuses = {{200, 299}, {404, 404}};
    return c.outcome(answer);
  };
  CHECK(outcome("HTTP/1.1 200 OK\r\n\r\n") == "passed");
  CHECK(outcome("HTTP/1.1 299 x\r\n\r\nbody") == "passed");
  CHECK(outcome("HTTP/1.1 404 x\r\n\r\n") == "passed");
  CHECK(outcome("HTTP/1.1 103 x\r\n\r\nHTTP/1.1 200 x\r\n\r\n") == "passed");
  CHECK(outcome("HTTP/1.1 302 x\r\n\r\n") == "answered 302, not 200-299,404");
  CHECK(outcome("HTTP/1.1 500 x\r\n\r\n") == "answered 500, not 200-299,404");
  CHECK(outcome("") == "it closed before it answered");
  CHECK(outcome("HTTP/1.1 20") == "its answer broke off");
  CHECK(outcome("SSH-2.0-x\r\n").starts_with("its answer: "));
  CHECK(outcome("HTTP/1.1 200 OK\r\nX: " + std::string(40'000, 'x')).starts_with("its answer: "));
}

TEST_CASE("health check: how an answer is cut makes no difference") {
  for (const std::string answer :
       {"HTTP/1.1 103 x\r\n\r\nHTTP/1.1 204 x\r\nA: b\r\n\r\nbody", "HTTP/1.1 500 x\r\n\r\n",
        "HTTP/1.1 200 x\r\nA\r\n\r\n", "HTTP/9.9 200 x\r\n\r\n", "\x16\x03\x01", "HTTP/1.1 2"}) {
    CAPTURE(answer);
    Checking whole(Kind::http, "/");
    const std::string expected = whole.outcome(answer);
    for (size_t cut = 1; cut < answer.size(); ++cut) {
      Checking c(Kind::http, "/");
      const Descriptor peer = c.begin();
      c.heard(peer, "\r\n\r\n");
      send_text(peer.get(), answer.substr(0, cut));
      for (int i = 0; i < 3; ++i) c.reactor.turn(0);
      if (c.step == Step::wait) send_text(peer.get(), answer.substr(cut));
      sys::shutdown_write(peer.get());
      CHECK(c.ends());
      CHECK((c.step == Step::passed ? "passed" : c.check.why()) == expected);
    }
  }
}

TEST_CASE("health check: websocket makes a handshake and takes leave with Close 1000") {
  for (const std::string path : {"", "/ws"}) {
    CAPTURE(path);
    Checking c(Kind::websocket, path);
    const Descriptor peer = c.begin();
    const std::string head = c.heard(peer, "\r\n\r\n");
    CHECK(head.starts_with("GET " + (path.empty() ? "/" : path) + " HTTP/1.1\r\n"));
    CHECK(field_of(head, "Host") == c.target.uri.authority);
    CHECK(field_of(head, "Upgrade") == "websocket");
    CHECK(head.find("X-Forwarded") == std::string::npos);
    const std::string key = field_of(head, "Sec-WebSocket-Key");
    CHECK(key.size() == 24);
    send_text(peer.get(),
              "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              "Sec-WebSocket-Accept: " +
                  accept_for_key(key) + "\r\n\r\n");
    std::string close;
    CHECK(c.turn_until([&] {
      close += recv_text(peer.get());
      return close.size() >= 8;
    }));
    REQUIRE(close.size() == 8);
    CHECK(close.substr(0, 2) == "\x88\x82");
    CHECK((static_cast<uint8_t>(close[6] ^ close[2]) << 8 |
           static_cast<uint8_t>(close[7] ^ close[3])) == 1000);
    CHECK(c.step == Step::wait);
    sys::shutdown_write(peer.get());
    CHECK(c.ends());
    CHECK(c.step == Step::passed);
  }
}

TEST_CASE("health check: a wrong 101 and an answer that is none") {
  const std::string wrong =
      "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  Checking c(Kind::websocket);
  CHECK(c.outcome(wrong).starts_with("its 101: "));
  CHECK(c.check.fault() == PeerFault::invalid_answer);
  CHECK(Checking(Kind::websocket).outcome("HTTP/1.1 200 OK\r\n\r\n") == "answered 200, not 101");
  // A status that is well for http must be final.
  CHECK(Checking(Kind::http, "/").outcome(wrong) == "answered 101, not 200-399");
}

TEST_CASE("health check: keys differ from check to check") {
  std::string before;
  for (int i = 0; i < 3; ++i) {
    Checking c(Kind::websocket);
    const Descriptor peer = c.begin();
    const std::string key = field_of(c.heard(peer, "\r\n\r\n"), "Sec-WebSocket-Key");
    CHECK(key != before);
    before = key;
  }
}

TEST_CASE("health check: wss:// peers show their certificate, each time") {
  const std::unique_ptr<TlsServer> server = testing::make_server();
  for (const bool trusted : {true, false}) {
    CAPTURE(trusted);
    Checking c(Kind::tcp);
    c.target.uri.secure = true;
    TlsClientSettings settings = testing::client_settings();
    if (!trusted) settings.authorities = testing::Authority().pem();
    c.target.tls = testing::make_client(settings);
    const Descriptor peer = c.begin();
    const std::unique_ptr<TlsTransport> far = server->accept(peer.get());
    CHECK(c.turn_until([&] {
      static_cast<void>(far->handshake());
      return c.step != Step::wait && c.step != Step::again;
    }));
    CHECK(c.step == (trusted ? Step::passed : Step::failed));
    if (!trusted) {
      CHECK(c.check.fault() == PeerFault::error);
      CHECK(c.check.why().starts_with("TLS handshake: "));
    }
  }
}

TEST_CASE("health check: a TLS handshake that nobody answers") {
  Checking c(Kind::tcp);
  c.target.uri.secure = true;
  c.target.tls = testing::make_client();
  const Descriptor peer = c.begin();
  for (int i = 0; i < 20; ++i) c.reactor.turn(1);
  CHECK(c.check.on_timeout() == Step::failed);
  CHECK(c.check.why() == "no TLS handshake within timeout=2s");
}

}  // namespace
}  // namespace sluice
