// Exchange: a request whose route asks an authorizer first.
#include <doctest/doctest.h>
#include <poll.h>

#include <optional>
#include <string>

#include "core/session/exchange.h"
#include "tests/unit/worker_testing.h"

namespace sluice {
namespace {

// Whether a connection to it waits to be accepted.
bool somebody_at(const testing::TestUpstream& listening) {
  pollfd awaited{listening.listener(), POLLIN, 0};
  return ::poll(&awaited, 1, 0) == 1;
}

using Step = ExchangeStep;

struct Guarded {
  explicit Guarded(const std::string& directives = "")
      : worker("route /\nproxy_pass " + upstream.uri() + "\nhttp on\nauth_request http" +
               authorizer.uri().substr(2) + "/verify\n" + directives),
        lent(worker) {
    exchange.emplace(lent.context, nullptr);
  }
  void begin(const std::string& bytes) {
    testing::send_text(lent.client_end().get(), bytes);
    CHECK(worker.turn_until([&] { return bool{lent.context.client.readable}; }));
    CHECK(exchange->begin() == Step::wait);
  }
  // What came to that end, up to `ending`.
  std::string heard(const testing::Descriptor& at, const std::string& ending = "\r\n\r\n") {
    std::string all;
    CHECK(worker.turn_until([&] {
      exchange->on_run();
      all += testing::recv_text(at.get());
      return all.ends_with(ending);
    }));
    return all;
  }
  testing::Descriptor asked() {
    testing::Descriptor peer = authorizer.accept();
    CHECK(heard(peer).starts_with("GET /verify HTTP/1.1\r\n"));
    CHECK(!somebody_at(upstream));
    return peer;
  }
  Step settle() {
    Step step = Step::wait;
    CHECK(worker.turn_until([&] {
      step = exchange->on_run();
      return step != Step::wait && step != Step::again;
    }));
    return step;
  }
  std::string answer() { return testing::recv_text(lent.client_end().get()); }

  testing::TestUpstream upstream;
  testing::TestUpstream authorizer;
  testing::TestWorker worker;
  testing::Lent lent;
  std::optional<Exchange> exchange;
};

const std::string upgrade =
    "GET /a HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

TEST_CASE("exchange authorize: the upstream is asked behind the verdict, with what it says") {
  Guarded g("set_header X-User $auth_http_x_user\n");
  g.begin("POST /a HTTP/1.1\r\nHost: a\r\nX-User: root\r\nContent-Length: 3\r\n\r\nabc");
  const testing::Descriptor judge = g.asked();
  testing::send_text(judge.get(), "HTTP/1.1 200 OK\r\nX-User: alice\r\nContent-Length: 0\r\n\r\n");
  CHECK(g.worker.turn_until([&] {
    CHECK(g.exchange->on_run() == Step::wait);
    return somebody_at(g.upstream);
  }));
  const testing::Descriptor peer = g.upstream.accept();
  const std::string head = g.heard(peer, "abc");
  CHECK(head.find("\r\nX-User: alice\r\n") != std::string::npos);
  CHECK(head.find("root") == std::string::npos);
  testing::send_text(peer.get(), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  CHECK(g.settle() == Step::next);
}

TEST_CASE("exchange authorize: a refusal of an upgrade and of a plain request") {
  const std::string said =
      "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nno";
  Guarded g;
  g.begin(upgrade);
  testing::send_text(g.asked().get(), said);
  CHECK(g.settle() == Step::linger);
  const std::string answer = g.answer();
  CHECK(answer.starts_with("HTTP/1.1 401 "));
  CHECK(answer.find("\r\nWWW-Authenticate: Basic\r\n") != std::string::npos);
  CHECK(answer.find("\r\nConnection: close\r\n") != std::string::npos);
  CHECK(answer.ends_with("\r\n\r\nno"));
  CHECK(std::string(g.exchange->reason()) == "auth_request: 401");
  CHECK(g.worker.row.refused.value() == 1);

  Guarded plain;
  plain.begin("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
  const testing::Descriptor judge = plain.asked();
  testing::send_text(judge.get(), said);
  CHECK(plain.settle() == Step::next);
  CHECK(plain.answer() ==
        "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nno");
  CHECK(plain.worker.row.served.value() == 1);
}

TEST_CASE("exchange authorize: a body that is not wanted ends the connection") {
  Guarded g;
  g.begin("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
  testing::send_text(g.asked().get(), "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
  CHECK(g.settle() == Step::linger);
  CHECK(g.answer() == "HTTP/1.1 403 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
}

TEST_CASE("exchange authorize: a long refusal is relayed as it comes") {
  const std::string body(9000, 'x');
  const std::string said = "HTTP/1.1 403 No\r\nContent-Length: 9000\r\n\r\n" + body;
  Guarded g;
  g.begin("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
  const testing::Descriptor judge = g.asked();
  testing::send_text(judge.get(), said);
  CHECK(g.heard(g.lent.client_end(), "x").size() > 0);
  CHECK(g.worker.row.served.value() == 1);
  Guarded head;
  head.begin("HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n");
  const testing::Descriptor other = head.asked();
  testing::send_text(other.get(), said);
  CHECK(head.settle() == Step::next);
  CHECK(head.answer() == "HTTP/1.1 403 No\r\nContent-Length: 9000\r\n\r\n");
}

TEST_CASE("exchange authorize: without a verdict nobody is let in") {
  Guarded g;
  g.begin(upgrade);
  { const testing::Descriptor judge = g.asked(); }
  CHECK(g.settle() == Step::linger);
  CHECK(g.answer().starts_with("HTTP/1.1 503 "));
  CHECK(std::string(g.exchange->reason()) == "auth_request: no verdict");
  CHECK(!somebody_at(g.upstream));
}

TEST_CASE("exchange authorize: a malformed body is refused before anybody is asked") {
  Guarded g;
  testing::send_text(
      g.lent.client_end().get(),
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n");
  CHECK(g.worker.turn_until([&] { return bool{g.lent.context.client.readable}; }));
  CHECK(g.exchange->begin() == Step::linger);
  CHECK(!somebody_at(g.authorizer));
}

}  // namespace
}  // namespace sluice
