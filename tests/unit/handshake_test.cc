// The handshake's rows of protocol/BAD_INPUT.md, what travels upstream, and which answers are
// believed.
#include "protocol/handshake.h"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

namespace sluice {
namespace {

const std::string key = "dGhlIHNhbXBsZSBub25jZQ==";  // RFC 6455 1.3

std::string request_with(const std::string& line, const std::string& fields) {
  return line + "\r\n" + fields + "\r\n";
}

const std::string good_line = "GET /chat HTTP/1.1";
const std::string good_fields =
    "Host: a.example:81\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
    key + "\r\n";

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  const size_t at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), with);
}

// A parsed request and what the check made of it.
struct Request {
  explicit Request(const std::string& bytes) : parser(Http1Parser::Role::request, {}) {
    const auto outcome = parser.feed_head(bytes).outcome;
    REQUIRE(outcome != Http1Parser::Outcome::more);
    refusal = outcome == Http1Parser::Outcome::failed
                  ? Refusal{parser.status(), parser.reason()}
                  : check_upgrade_request(parser.request(), request);
  }
  int status() const { return refusal ? refusal->status : 0; }

  Http1Parser parser;
  UpgradeRequest request;
  std::optional<Refusal> refusal;
};

int status_of(const std::string& line, const std::string& fields) {
  return Request(request_with(line, fields)).status();
}

TEST_CASE("a good request is understood") {
  Request r(request_with(good_line, good_fields +
                                        "Sec-WebSocket-Protocol: mqtt, chat\r\n"
                                        "Sec-WebSocket-Extensions: x-other, permessage-deflate; "
                                        "client_max_window_bits, permessage-deflate\r\n"));
  REQUIRE(r.status() == 0);
  CHECK(r.request.target.path == "/chat");
  CHECK(r.request.authority == "a.example:81");
  CHECK(r.request.host == "a.example");
  CHECK(r.request.key == key);
  CHECK(r.request.protocols == std::vector<std::string_view>{"mqtt", "chat"});
  CHECK(r.request.deflate_offers ==
        std::vector<std::string_view>{"permessage-deflate; client_max_window_bits",
                                      "permessage-deflate"});
  CHECK(status_of(good_line, replaced(good_fields, "websocket", "h2c, WebSocket")) == 0);
  CHECK(status_of(good_line, good_fields + "Content-Length: 0\r\n") == 0);
}

TEST_CASE("Host missing, doubled, or no host") {
  const std::string host = "Host: a.example:81\r\n";
  CHECK(status_of(good_line, replaced(good_fields, host, "")) == 400);
  CHECK(status_of(good_line, good_fields + host) == 400);
  for (const char* bad : {"Host:\r\n", "Host: a b\r\n", "Host: u@a\r\n", "Host: a:b\r\n",
                          "Host: a/b\r\n", "Host: a, b\r\n", "Host: [::1\r\n"}) {
    CAPTURE(bad);
    CHECK(status_of(good_line, replaced(good_fields, host, bad)) == 400);
  }
}

TEST_CASE("an absolute target is routed on its authority") {
  Request r(request_with("GET ws://b.example/x?q HTTP/1.1", good_fields));
  REQUIRE(r.status() == 0);
  CHECK(r.request.authority == "b.example");
  CHECK(r.request.target.path == "/x");
  CHECK(r.request.target.query == "?q");
}

TEST_CASE("rows of the handshake table that a head decides") {
  CHECK(status_of(good_line, good_fields + "Content-Length: 5\r\n") == 400);
  CHECK(status_of(good_line, good_fields + "Transfer-Encoding: chunked\r\n") == 400);
  CHECK(status_of("GET / HTTP/1.0", good_fields + "Transfer-Encoding: chunked\r\n") == 400);
  CHECK(status_of("GET / HTTP/1.0", good_fields) == 400);
  CHECK(status_of("POST / HTTP/1.1", good_fields) == 405);
  CHECK(status_of("HEAD / HTTP/1.1", good_fields) == 405);
  CHECK(status_of(good_line, replaced(good_fields, "Upgrade: websocket\r\n", "")) == 426);
  CHECK(status_of(good_line, replaced(good_fields, "websocket", "h2c")) == 426);
  CHECK(status_of(good_line, replaced(good_fields, "websocket", "websockets")) == 426);
  CHECK(status_of(good_line, replaced(good_fields, ": 13", ": 8")) == 426);
  CHECK(status_of(good_line, replaced(good_fields, ": 13", ": 13, 8")) == 426);
  CHECK(status_of(good_line, replaced(good_fields, "Sec-WebSocket-Version: 13\r\n", "")) == 426);
  CHECK(status_of(good_line, good_fields + "Sec-WebSocket-Version: 13\r\n") == 426);
  CHECK(status_of(good_line, replaced(good_fields, ", Upgrade", "")) == 400);
  CHECK(status_of(good_line, replaced(good_fields, ", Upgrade", ", Upgraded")) == 400);
  const std::string key_field = "Sec-WebSocket-Key: " + key + "\r\n";
  CHECK(status_of(good_line, replaced(good_fields, key_field, "")) == 400);
  CHECK(status_of(good_line, good_fields + key_field) == 400);
  for (const char* bad : {"", "short", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ===",
                          "dGhlIHNhbXBsZSBub25jZQAA", "dGhlIHNhbXBsZSBub25j!Q=="}) {
    CAPTURE(bad);
    CHECK(status_of(good_line, replaced(good_fields, key, bad)) == 400);
  }
  CHECK(status_of("GET /a#b HTTP/1.1", good_fields) == 400);
  CHECK(status_of("GET /a/../b HTTP/1.1", good_fields) == 400);
  CHECK(status_of("GET /%2e%2e/b HTTP/1.1", good_fields) == 400);
  CHECK(status_of("GET /a%2f..%2fb HTTP/1.1", good_fields) == 400);
  CHECK(status_of("GET /a/..;/b HTTP/1.1", good_fields) == 400);
  CHECK(status_of("GET /a%00 HTTP/1.1", good_fields) == 400);
  CHECK(status_of("GET http://u:p@a/ HTTP/1.1", good_fields) == 400);
  CHECK(status_of("GET ftp://a/ HTTP/1.1", good_fields) == 400);
  CHECK(status_of("OPTIONS * HTTP/1.1", good_fields) == 405);
  CHECK(status_of(good_line, good_fields + "Sec-WebSocket-Protocol: a b\r\n") == 400);
}

TEST_CASE("what travels upstream and what does not") {
  Request r(request_with(
      good_line, replaced(good_fields, "keep-alive", "keep-alive, X-Hop") +
                     "X-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nProxy-Authorization: secret\r\n"
                     "Cookie: a=b\r\nX-Keep: one\r\nX-Keep: two\r\nX-Gone: 1\r\nX-Set: old\r\n"
                     "X-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\nx-forwarded-proto: "
                     "https\r\nContent-Length: 0\r\n"
                     "Sec-WebSocket-Extensions: x-other; a=1, permessage-deflate\r\n"
                     "Sec-WebSocket-Protocol: mqtt, chat\r\nSec-WebSocket-Accept: odd\r\n"));
  REQUIRE(r.status() == 0);
  const std::vector<std::string_view> protocols{"chat"};
  const std::vector<std::string_view> removed{"x-gone"};
  const std::vector<HeaderField> set{{"X-Set", "new"}, {"X-New", "1"}};
  UpstreamRequest upstream;
  upstream.target = "/there?q";
  upstream.host = "b.example";
  upstream.forwarded_for = "192.0.2.1";
  upstream.forwarded_proto = "http";
  upstream.forwarded_host = r.request.authority;
  upstream.protocols = protocols;
  upstream.remove_headers = removed;
  upstream.set_headers = set;
  CHECK(write_http1(build_upstream_request(r.parser.request(), r.request, upstream)) ==
        "GET /there?q HTTP/1.1\r\nHost: b.example\r\nCookie: a=b\r\nX-Keep: one\r\n"
        "X-Keep: two\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\n"
        "X-Forwarded-Host: a.example:81\r\nX-Set: new\r\nX-New: 1\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
            key +
            "\r\nSec-WebSocket-Protocol: chat\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
}

TEST_CASE("fields that strangers may not be believed") {
  const std::string fields =
      "Forwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nX-Forwarded-For: 6.6.6.6\r\n"
      "X-Forwarded-For: 7.7.7.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\n"
      "X-Forwarded-Server: s\r\nTrue-Client-IP: 6.6.6.6\r\nCF-Connecting-IP: 6.6.6.6\r\n"
      "X_Real_IP: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\nX_Guard: 1\r\nX.Guard: 1\r\n"
      "X-Plain: 1\r\n";
  Request r(request_with(good_line, good_fields + fields));
  REQUIRE(r.status() == 0);
  const auto sent = [&r](UpstreamRequest upstream) {
    upstream.forwarded_proto = "http";
    const std::string request =
        write_http1(build_upstream_request(r.parser.request(), r.request, upstream));
    const size_t begin = request.find("\r\n", request.find("Host:")) + 2;
    return request.substr(begin, request.find("Connection:") - begin);
  };
  UpstreamRequest upstream;
  upstream.forwarded_for = "192.0.2.1";
  CHECK(sent(upstream) ==
        "X-Plain: 1\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\n");
  CHECK(sent(UpstreamRequest()) == "X-Plain: 1\r\nX-Forwarded-Proto: http\r\n");

  UpstreamRequest underscores;
  underscores.underscore_headers = true;
  CHECK(sent(underscores) ==
        "X_Guard: 1\r\nX.Guard: 1\r\nX-Plain: 1\r\nX-Forwarded-Proto: http\r\n");

  const std::vector<std::string_view> odd{"X_Real_IP"};  // on demand, as it stands
  underscores.keep_headers = odd;
  CHECK(sent(underscores) ==
        "X_Real_IP: 6.6.6.6\r\nX_Guard: 1\r\nX.Guard: 1\r\nX-Plain: 1\r\n"
        "X-Forwarded-Proto: http\r\n");

  const std::vector<std::string_view> kept{"x-real-ip", "X.Guard", "X-Forwarded-For",
                                           "X-Forwarded-Proto"};
  upstream.keep_headers = kept;
  CHECK(sent(upstream) ==
        "X-Real-IP: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX.Guard: 1\r\nX-Plain: 1\r\n"
        "X-Forwarded-For: 6.6.6.6, 7.7.7.7, 192.0.2.1\r\n");
  const std::vector<std::string_view> removed{"X-Real-IP", "X-Forwarded-For"};
  upstream.remove_headers = removed;
  CHECK(sent(upstream) == "X-Forwarded-Proto: https\r\nX.Guard: 1\r\nX-Plain: 1\r\n");
}

const std::string good_answer =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

// The reason that an answer is not believed, "" where it is.
std::string reason_of(const std::string& fields, std::vector<std::string_view> protocols = {},
                      std::vector<std::string_view> offers = {}) {
  Http1Parser parser(Http1Parser::Role::response, {});
  REQUIRE(parser.feed_head(fields + "\r\n").outcome == Http1Parser::Outcome::complete);
  UpgradeAnswer answer;
  const char* reason = check_upgrade_answer(parser.answer(), key, protocols, offers, answer);
  return reason == nullptr ? "" : reason;
}

TEST_CASE("an upstream's 101 must be complete and about this key") {
  CHECK(accept_for_key(key) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  CHECK(reason_of(good_answer) == "");
  const std::string accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
  const std::string upgrade = "Upgrade: WebSocket\r\n";
  const std::string connection = "Connection: keep-alive, upgrade\r\n";
  // The words say the case: who reads them mends the server.
  const std::pair<std::string, std::string> rows[] = {
      {replaced(good_answer, upgrade, ""), "101 without Upgrade"},
      {good_answer + upgrade, "101 with a second Upgrade"},
      {replaced(good_answer, "WebSocket", "h2c"), "101 upgrades to other than websocket"},
      {replaced(good_answer, connection, ""), "101 without Connection"},
      {replaced(good_answer, ", upgrade", ""), "101 whose Connection lacks upgrade"},
      {replaced(good_answer, accept, ""), "101 without Sec-WebSocket-Accept"},
      {good_answer + accept, "101 with a second Sec-WebSocket-Accept"},
      {replaced(good_answer, "s3p", "S3p"), "101 with a wrong Sec-WebSocket-Accept"},
      {replaced(good_answer, "HTTP/1.1", "HTTP/1.0"), "101 in HTTP/1.0"}};
  for (const auto& row : rows) {
    CAPTURE(row.first);
    CHECK(reason_of(row.first) == row.second);
  }
}

TEST_CASE("a subprotocol only if it was offered, and one") {
  CHECK(reason_of(good_answer + "Sec-WebSocket-Protocol: chat\r\n", {"mqtt", "chat"}) == "");
  CHECK(reason_of(good_answer + "Sec-WebSocket-Protocol: chat\r\n") ==
        "101 with a subprotocol that was not offered");
  CHECK(reason_of(good_answer + "Sec-WebSocket-Protocol: Chat\r\n", {"chat"}) != "");
  CHECK(reason_of(good_answer + "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n",
                  {"chat"}) == "101 with a second Sec-WebSocket-Protocol");
  CHECK(reason_of(good_answer + "Sec-WebSocket-Protocol:\r\n", {"chat"}) == "");  // none chosen
  CHECK(reason_of(good_answer + "Sec-WebSocket-Protocol:\r\n") == "");
  CHECK(reason_of(good_answer + "Sec-WebSocket-Protocol:\r\nSec-WebSocket-Protocol: chat\r\n",
                  {"chat"}) != "");
}

TEST_CASE("permessage-deflate where it was offered, whatever its parameters") {
  const auto reason = [](const std::string& answered, std::vector<std::string_view> offers) {
    return reason_of(good_answer + "Sec-WebSocket-Extensions: " + answered + "\r\n", {},
                     std::move(offers));
  };
  const char* plain = "permessage-deflate";
  const char* fifteen = "permessage-deflate; client_max_window_bits; server_max_window_bits=15";
  // aiohttp, Beast and gorilla do not repeat the 15 that holds anyway.
  CHECK(reason(plain, {fifteen}) == "");
  CHECK(reason("permessage-deflate; server_no_context_takeover", {fifteen}) == "");
  CHECK(reason("permessage-deflate; client_max_window_bits=12", {plain}) == "");
  CHECK(reason("Permessage-Deflate; server_max_window_bits=99; x", {plain}) == "");
  CHECK(reason("", {plain}) == "");
  CHECK(reason("", {}) == "");

  CHECK(reason(plain, {}) == "101 with permessage-deflate, which was not offered");
  CHECK(reason("x-other", {plain}) == "101 with an extension that was not offered");
  CHECK(reason("permessage-deflate, x-other", {plain}) ==
        "101 with an extension that was not offered");
  CHECK(reason("permessage-deflate, permessage-deflate", {plain}) ==
        "101 names permessage-deflate twice");
  CHECK(reason("permessage-deflate\r\nSec-WebSocket-Extensions: permessage-deflate", {plain}) ==
        "101 names permessage-deflate twice");
}

TEST_CASE("an offer that is not well-formed does not travel") {
  Request r(request_with(good_line, good_fields +
                                        "Sec-WebSocket-Extensions: permessage-deflate; "
                                        "server_max_window_bits=7, permessage-deflate; x\r\n"
                                        "Sec-WebSocket-Extensions: permessage-deflate;\r\n"));
  REQUIRE(r.status() == 0);
  CHECK(r.request.deflate_offers.empty());
  const std::string request =
      write_http1(build_upstream_request(r.parser.request(), r.request, UpstreamRequest()));
  CHECK(request.find("Sec-WebSocket-Extensions") == std::string::npos);
  Request mixed(request_with(good_line, good_fields +
                                            "Sec-WebSocket-Extensions: permessage-deflate; x, "
                                            "permessage-deflate; server_max_window_bits=15\r\n"));
  REQUIRE(mixed.status() == 0);
  CHECK(mixed.request.deflate_offers ==
        std::vector<std::string_view>{"permessage-deflate; server_max_window_bits=15"});
}

TEST_CASE("the client's 101 and a relayed refusal") {
  Http1Parser parser(Http1Parser::Role::response, {});
  REQUIRE(parser
              .feed_head(good_answer + "Set-Cookie: a=b\r\nKeep-Alive: 1\r\nX-Other: c\r\n"
                                       "Content-Length: 0\r\n\r\n")
              .outcome == Http1Parser::Outcome::complete);
  UpgradeAnswer agreed;
  agreed.protocol = "chat";
  CHECK(write_http1(build_client_answer(parser.answer(), key, agreed)) ==
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n"
        "Set-Cookie: a=b\r\nX-Other: c\r\n\r\n");

  Http1Parser refused(Http1Parser::Role::response, {});
  REQUIRE(refused
              .feed_head("HTTP/1.1 401 Who\r\nConnection: X-Hop\r\nX-Hop: 1\r\n"
                         "WWW-Authenticate: Basic\r\nTransfer-Encoding: chunked\r\n\r\n")
              .outcome == Http1Parser::Outcome::complete);
  CHECK(write_http1(build_refusal_head(refused.answer(), refused.framing(), 0)) ==
        "HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic\r\nConnection: close\r\n"
        "Transfer-Encoding: chunked\r\n\r\n");
  CHECK(write_http1(build_refusal_head(refused.answer(), Http1Parser::Framing::length, 7))
            .find("\r\nContent-Length: 7\r\n") != std::string::npos);
  CHECK(write_http1(build_refusal_head(refused.answer(), Http1Parser::Framing::until_close, 0))
            .ends_with("\r\nConnection: close\r\n\r\n"));
}

TEST_CASE("names that the conf's headers may not have") {
  CHECK(header_is_reserved("connection"));
  CHECK(header_is_reserved("SEC-WEBSOCKET-Anything"));
  CHECK(!header_is_reserved("Sec-WebSock"));
}

TEST_CASE("handshake: a key is 16 bytes in base64") {
  std::array<uint8_t, 16> bytes{};
  CHECK(handshake_key(bytes) == "AAAAAAAAAAAAAAAAAAAAAA==");
  for (uint8_t i = 0; i < 16; ++i) bytes[i] = static_cast<uint8_t>(i + 1);
  CHECK(handshake_key(bytes) ==
        "AQIDBAUGBwgJCgsMDQ4PEA==");  // RFC 6455 4.1, page 17, with its erratum
}

}  // namespace
}  // namespace sluice
