// What an authorizer is asked with: the client's fields, and nothing of one request alone.
#include "core/session/auth_request.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/unit/worker_testing.h"

namespace sluice {
namespace {

struct Asked {
  explicit Asked(const std::string& head, const std::string& directives = "",
                 const std::string& top = "")
      : worker(
            "route /\nproxy_pass ws://127.0.0.1:2\n"
            "auth_request https://auth.example:8443/verify?a=b\n" +
                directives,
            top),
        lent(worker),
        parser(Http1Parser::Role::request, {}) {
    CHECK(parser.feed_head(head).outcome == Http1Parser::Outcome::complete);
    CHECK(!find_target(parser.request(), upgrade));
    hop.address = lent.context.client_address;
  }
  std::string text() const {
    return auth_request_text(lent.context, worker.route().authorizer[0], client());
  }
  Digest key() const { return auth_cache_key(lent.context, worker.route(), text()); }
  ClientRequest client() const { return {parser.request(), upgrade, {}, nullptr, hop}; }

  testing::TestWorker worker;
  testing::Lent lent;
  Http1Parser parser;
  UpgradeRequest upgrade;
  Hop hop;
};

bool has(const std::string& text, const std::string& line) {
  return text.find("\r\n" + line + "\r\n") != std::string::npos;
}

TEST_CASE("auth request: a GET with the client's fields, and what it asked for") {
  const Asked asked(
      "POST /a/b?c=d HTTP/1.0\r\nHost: edge.example\r\nCookie: e=f\r\nX-Original-URI: /lie\r\n"
      "X-Original-Method: LIE\r\nX-Forwarded-For: 6.6.6.6\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade, X-Hop\r\nX-Hop: 1\r\nContent-Length: 3\r\nX_Cookie: 1\r\n"
      "Sec-WebSocket-Key: k\r\n\r\n");
  const std::string text = asked.text();
  CHECK(text.starts_with("GET /verify?a=b HTTP/1.1\r\nHost: auth.example:8443\r\n"));
  CHECK(has(text, "Cookie: e=f"));
  CHECK(has(text, "X-Original-URI: /a/b?c=d"));
  CHECK(has(text, "X-Original-Method: POST"));
  CHECK(has(text, "X-Forwarded-For: 127.0.0.1"));
  CHECK(has(text, "X-Forwarded-Host: edge.example"));
  CHECK(has(text, "X-Forwarded-Proto: http"));
  for (const char* absent :
       {"LIE", "/lie", "6.6.6.6", "Upgrade", "X-Hop", "Length", "X_", "Sec-", "Connection"}) {
    CAPTURE(absent);
    CHECK(text.find(absent) == std::string::npos);
  }
  CHECK(has(with_connection_close(text), "Connection: close"));
  CHECK(with_connection_close(text).ends_with("\r\n\r\n"));
}

TEST_CASE("auth request: what is another one for each request stays away") {
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\n";
  const Asked plain(head + "\r\n");
  const Asked odd(head +
                  "If-None-Match: x\r\nRange: bytes=0-1\r\nX-Request-ID: 1\r\ntraceparent: 1\r\n"
                  "Expect: 100-continue\r\nx-b3-traceid: 1\r\nIf-Range: x\r\n\r\n");
  CHECK(plain.text() == odd.text());
  CHECK(is_withheld("x-request-id"));
  CHECK_FALSE(is_withheld("Authorization"));
  CHECK_FALSE(is_withheld("Cookie"));
  CHECK_FALSE(is_withheld("Origin"));
}

TEST_CASE("auth request: a trusted hop's word travels on, and a server as a whole is named") {
  Asked asked("OPTIONS * HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.1.1.1\r\n\r\n");
  asked.hop.trusted = true;
  CHECK(has(asked.text(), "X-Forwarded-For: 10.1.1.1, 127.0.0.1"));
  CHECK(has(asked.text(), "X-Original-URI: *"));
}

TEST_CASE("auth request: the key is of all that is sent, of the client and of the conf") {
  const std::string head = "GET /a HTTP/1.1\r\nHost: a\r\nCookie: a=b\r\n\r\n";
  Asked one(head);
  const Digest key = one.key();
  CHECK(one.key() == key);
  CHECK(Asked(head).key() != key);  // another Config of the same text
  CHECK(auth_cache_key(one.lent.context, one.worker.route(), one.text() + "x") != key);
  CHECK(auth_cache_key(one.lent.context, one.worker.route().authorizer[0], one.text()) != key);
  one.lent.context.client_address = ClientAddress(Address::from_ip("10.0.0.9", 1).value());
  CHECK(one.key() != key);
}

}  // namespace
}  // namespace sluice
