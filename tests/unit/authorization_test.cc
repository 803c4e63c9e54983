// Authorization: what an authorizer's answer comes to, and what becomes of its connection.
#include "core/session/authorization.h"

#include <doctest/doctest.h>
#include <poll.h>

#include <optional>
#include <string>

#include "tests/unit/worker_testing.h"

namespace sluice {
namespace {

// Whether a connection to it waits to be accepted.
bool somebody_at(const testing::TestUpstream& listening) {
  pollfd awaited{listening.listener(), POLLIN, 0};
  return ::poll(&awaited, 1, 0) == 1;
}

using Step = Authorization::Step;

struct Asking {
  explicit Asking(const std::string& directives = "", const std::string& fields = "")
      : worker("route /\nproxy_pass ws://127.0.0.1:2\nauth_request http" +
               authorizer.uri().substr(2) + "/verify\nset_header X-User $auth_http_x_user\n" +
               directives),
        lent(worker),
        parser(Http1Parser::Role::request, {}) {
    CHECK(parser.feed_head("GET /a HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n").outcome ==
          Http1Parser::Outcome::complete);
    CHECK(!find_target(parser.request(), upgrade));
    hop.address = lent.context.client_address;
  }
  // The next question; the end of it that answers, null where the cache knew.
  Step begin() {
    authorization.emplace(lent.context, worker.route());
    return authorization->begin({parser.request(), upgrade, {}, nullptr, hop});
  }
  testing::Descriptor ask() {
    CHECK(begin() == Step::wait);
    testing::Descriptor peer = authorizer.accept();
    hear(peer);
    return peer;
  }
  std::string hear(const testing::Descriptor& peer) {
    std::string all;
    CHECK(worker.turn_until([&] {
      const Step step = authorization->run();
      CHECK(step == Step::wait);
      all += testing::recv_text(peer.get());
      return all.ends_with("\r\n\r\n");
    }));
    return all;
  }
  Step settle() {
    Step step = Step::wait;
    CHECK(worker.turn_until([&] {
      step = authorization->run();
      return step != Step::wait && step != Step::again;
    }));
    return step;
  }
  Step answered(const testing::Descriptor& peer, const std::string& text) {
    testing::send_text(peer.get(), text);
    return settle();
  }
  const AuthCounters& counts() const { return worker.row.auth; }

  testing::TestUpstream authorizer;
  testing::TestWorker worker;
  testing::Lent lent;
  Http1Parser parser;
  UpgradeRequest upgrade;
  Hop hop;
  std::optional<Authorization> authorization;
};

TEST_CASE("authorization: 2xx admits, with the fields that the route names, and is kept") {
  Asking a;
  const testing::Descriptor peer = a.ask();
  CHECK(a.answered(peer, "HTTP/1.1 204 No\r\nx-user: alice\r\nX-Other: b\r\n\r\n") ==
        Step::admitted);
  CHECK(a.authorization->verdict().head.fields.size() == 1);
  CHECK(*a.authorization->verdict().head.find("X-User") == "alice");
  CHECK(a.worker.context.upstream_pool.size() == 1);
  CHECK_FALSE(a.lent.context.upstream.is_open());
  CHECK(a.begin() == Step::wait);  // on that connection
  CHECK(a.worker.row.upstream_reused.value() == 1);
  CHECK(a.hear(peer).starts_with("GET /verify HTTP/1.1\r\n"));
  // A body that is not there is not awaited.
  CHECK(a.answered(peer, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n") == Step::admitted);
  CHECK(a.worker.context.upstream_pool.size() == 0);
  CHECK(a.counts().admitted.value() == 2);
}

TEST_CASE("authorization: what is not kept") {
  for (const char* said :
       {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nx",
        "HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"}) {
    CAPTURE(said);
    Asking a;
    CHECK(a.answered(a.ask(), said) == Step::admitted);
    CHECK(a.worker.context.upstream_pool.size() == 0);
    CHECK_FALSE(a.lent.context.upstream.is_open());
  }
  Asking bound("", "Authorization: Negotiate x\r\n");
  CHECK(bound.begin() == Step::wait);
  const testing::Descriptor peer = bound.authorizer.accept();
  CHECK(bound.hear(peer).find("\r\nConnection: close\r\n") != std::string::npos);
}

TEST_CASE("authorization: a refusal is whole, fields and body") {
  for (const char* said : {"Content-Length: 3\r\n\r\nabc",
                           "Transfer-Encoding: chunked\r\n\r\n"
                           "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"}) {
    Asking a;
    const testing::Descriptor peer = a.ask();
    const std::string text = "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\n" + std::string(said);
    CHECK(a.answered(peer, text) == Step::refused);
    CHECK(a.authorization->verdict().head.status == 401);
    CHECK(a.authorization->verdict().body == "abc");
    CHECK(*a.authorization->verdict().head.find("WWW-Authenticate") == "Basic");
    CHECK(a.worker.context.upstream_pool.size() == 1);
  }
  Asking a;
  testing::Descriptor peer = a.ask();
  testing::send_text(peer.get(), "HTTP/1.1 403 No\r\n\r\nto the end");
  peer.close();
  CHECK(a.settle() == Step::refused);
  CHECK(a.authorization->verdict().body == "to the end");
}

TEST_CASE("authorization: a long body is left to who relays it") {
  Asking a;
  const testing::Descriptor peer = a.ask();
  const std::string body(BodyRelay::most_behind_bytes + 100, 'x');
  testing::send_text(peer.get(), "HTTP/1.1 403 No\r\nContent-Length: " +
                                     std::to_string(body.size()) + "\r\n\r\n" + body);
  CHECK(a.settle() == Step::unfinished);
  CHECK(a.authorization->begun().size() == BodyRelay::most_behind_bytes);
  CHECK(a.lent.context.upstream.is_open());
  CHECK(a.authorization->dial().peer() != nullptr);
  CHECK(a.counts().refused.value() == 1);
}

TEST_CASE("authorization: what is no verdict") {
  const std::pair<const char*, const char*> rows[] = {
      {"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "answered 302"},
      {"HTTP/1.1 500 No\r\n\r\n", "answered 500"},
      {"HTTP/1.1 200 ", "its answer broke off"},
      {"HTTP/1.1 401 No\r\nContent-Length: 5\r\n\r\nab", "its answer broke off"},
      {"HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
       "its body is malformed: malformed chunk"},
      {"", "upstream closed during the handshake"}};
  for (const auto& row : rows) {
    CAPTURE(row.first);
    Asking a;
    testing::Descriptor peer = a.ask();
    testing::send_text(peer.get(), row.first);
    peer.close();
    CHECK(a.settle() == Step::failed);
    CHECK(a.authorization->detail().starts_with(row.second));
    CHECK(a.counts().failed.value() == 1);
    CHECK_FALSE(a.lent.context.upstream.is_open());
    CHECK(a.authorization->verdict().head.fields.empty());
  }
}

TEST_CASE("authorization: silence, before an answer and inside one") {
  Asking a("auth_timeout 1s\n");
  const testing::Descriptor peer = a.ask();
  CHECK(a.authorization->on_timer() == Step::failed);
  CHECK(a.authorization->detail() == "auth_timeout");
  Asking b("auth_timeout 1s\n");
  const testing::Descriptor other = b.ask();
  testing::send_text(other.get(), "HTTP/1.1 401 No\r\nContent-Length: 5\r\n\r\n");
  CHECK(b.worker.turn_until([&] {
    CHECK(b.authorization->run() == Step::wait);
    return b.authorization->verdict().head.status == 401;
  }));
  CHECK(b.authorization->on_timer() == Step::failed);
  CHECK(b.authorization->detail() == "auth_timeout 1s inside its answer");
}

TEST_CASE("authorization: a kept connection that ended is asked anew") {
  Asking a;
  {
    const testing::Descriptor peer = a.ask();
    CHECK(a.answered(peer, "HTTP/1.1 204 No\r\n\r\n") == Step::admitted);
    CHECK(a.begin() == Step::wait);
  }
  CHECK(a.worker.turn_until([&] {
    CHECK(a.authorization->run() == Step::wait);
    return somebody_at(a.authorizer);
  }));
  const testing::Descriptor anew = a.authorizer.accept();
  a.hear(anew);
  CHECK(a.answered(anew, "HTTP/1.1 200 OK\r\n\r\n") == Step::admitted);
}

TEST_CASE("authorization: auth_cache keeps verdicts, but for what is one client's") {
  Asking a("auth_cache 1h\n");
  CHECK(a.answered(a.ask(), "HTTP/1.1 200 OK\r\nX-User: a\r\nConnection: close\r\n\r\n") ==
        Step::admitted);
  CHECK(a.begin() == Step::admitted);
  CHECK(*a.authorization->verdict().head.find("X-User") == "a");
  CHECK(a.counts().admitted.value() == 2);
  CHECK(a.counts().from_cache.value() == 1);
  for (const char* field : {"Set-Cookie: a=b", "Cache-Control: private, no-store"}) {
    Asking b("auth_cache 1h\n");
    const std::string said = std::string("HTTP/1.1 403 No\r\n") + field + "\r\n\r\n";
    for (int i = 0; i < 2; ++i) {
      testing::Descriptor peer = b.ask();
      testing::send_text(peer.get(), said);
      peer.close();
      CHECK(b.settle() == Step::refused);
    }
    CHECK(b.worker.context.auth_cache.size() == 0);
  }
}

}  // namespace
}  // namespace sluice
