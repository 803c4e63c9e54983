// Http2Request: what a head of HTTP/2 says in HTTP/1.1, and which heads say nothing.
#include "protocol/http2_request.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "protocol/http1.h"

using namespace sluice;

namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

struct Told {
  bool whole = false;
  std::string text;
};

Told told(const Fields& fields, bool has_body = false, size_t most_bytes = 16 * 1024) {
  Http2Request request(most_bytes);
  for (const auto& field : fields) {
    if (!request.add(field.first, field.second)) return {};
  }
  if (!request.whole()) return {};
  return {true, request.text("dGhlIHNhbXBsZSBub25jZQ==", has_body)};
}

Fields get(const Fields& more = {}) {
  Fields fields = {
      {":method", "GET"}, {":scheme", "https"}, {":path", "/a?b"}, {":authority", "h"}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

Fields websocket(const Fields& more = {}) {
  Fields fields = {{":method", "CONNECT"},
                   {":protocol", "websocket"},
                   {":scheme", "https"},
                   {":path", "/chat"},
                   {":authority", "h:1"}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

}  // namespace

TEST_CASE("http2 request: a plain one is told with its fields, in order, and ends its connection") {
  const Told one = told(get({{"accept", "*/*"}, {"x-a", ""}, {"te", "trailers"}}));
  REQUIRE(one.whole);
  CHECK(one.text ==
        "GET /a?b HTTP/1.1\r\nhost: h\r\nconnection: close\r\naccept: */*\r\nx-a: \r\n\r\n");
}

TEST_CASE("http2 request: an extended CONNECT is a handshake, with a key of ours") {
  const Told one = told(websocket({{"sec-websocket-version", "13"},
                                   {"sec-websocket-key", "theirs"},
                                   {"cookie", "a=1"},
                                   {"origin", "https://h"},
                                   {"cookie", "b=2"}}));
  REQUIRE(one.whole);
  CHECK(one.text ==
        "GET /chat HTTP/1.1\r\nhost: h:1\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n"
        "origin: https://h\r\ncookie: a=1; b=2\r\n\r\n");
}

TEST_CASE("http2 request: a body without a length is told to come in chunks") {
  CHECK(told(get(), true).text.find("transfer-encoding: chunked\r\n") != std::string::npos);
  const Told sized = told(get({{"content-length", "3"}}), true);
  CHECK(sized.text.find("transfer-encoding") == std::string::npos);
  CHECK(sized.text.find("content-length: 3\r\n") != std::string::npos);
}

TEST_CASE("http2 request: a CONNECT of another kind never looks like a request for a path") {
  CHECK(told({{":method", "CONNECT"}, {":authority", "a:1"}})
            .text.starts_with("CONNECT a:1 HTTP/1.1\r\n"));
  CHECK(told({{":method", "CONNECT"},
              {":protocol", "other"},
              {":scheme", "http"},
              {":path", "/"},
              {":authority", "a"}})
            .text.starts_with("CONNECT a HTTP/1.1\r\n"));
}

TEST_CASE("http2 request: what is malformed (RFC 9113 8.1.1 to 8.3)") {
  const std::vector<Fields> all = {
      {},
      {{":method", "GET"}},
      {{":method", "GET"}, {":scheme", "http"}},
      {{":scheme", "http"}, {":path", "/"}, {":authority", "a"}},
      get({{":method", "GET"}}),
      get({{":path", "/"}}),
      {{":method", "GET"}, {"a", "b"}, {":scheme", "http"}, {":path", "/"}},
      {{":method", "GET"}, {":scheme", "http"}, {":path", ""}},
      {{":method", "GET"}, {":scheme", "http"}, {":path", "a"}},
      {{":method", "GET"}, {":scheme", "http"}, {":path", "*"}},
      {{":method", "GET"}, {":scheme", "http"}, {":path", "/a b"}},
      {{":method", "GET"}, {":scheme", "http"}, {":path", "/a\r\nx: y"}},
      {{":method", "GE T"}, {":scheme", "http"}, {":path", "/"}},
      {{":method", "GET\r\n"}, {":scheme", "http"}, {":path", "/"}},
      {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a b"}},
      {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":status", "200"}},
      {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":protocol", "websocket"}},
      {{":method", "CONNECT"}, {":authority", "a"}, {":path", "/"}},
      {{":method", "CONNECT"}, {":authority", "a"}, {":scheme", "http"}},
      {{":method", "CONNECT"}},
      websocket({{"content-length", "5"}}),
      get({{"Accept", "a"}}),
      get({{"a b", "c"}}),
      get({{"a:", "c"}}),
      get({{"", "c"}}),
      get({{"a", "b\r\nc: d"}}),
      get({{"a", std::string("b\0c", 3)}}),
      get({{"a", " b"}}),
      get({{"a", "b\t"}}),
      get({{"connection", "close"}}),
      get({{"keep-alive", "1"}}),
      get({{"proxy-connection", "close"}}),
      get({{"transfer-encoding", "chunked"}}),
      get({{"upgrade", "websocket"}}),
      get({{"te", "gzip"}}),
      get({{"host", "other"}}),
      get({{"host", "h"}, {"host", "h"}}),
  };
  for (const Fields& fields : all) {
    const std::string last = fields.empty() ? "" : fields.back().first + "=" + fields.back().second;
    CAPTURE(last);
    CHECK_FALSE(told(fields).whole);
  }
}

TEST_CASE("http2 request: Host stands for a missing :authority, and may repeat it in any case") {
  CHECK(told({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"host", "a"}})
            .text.find("host: a\r\n") != std::string::npos);
  const Told both = told(get({{"host", "H"}}));
  REQUIRE(both.whole);
  CHECK(both.text.find("host: h\r\n") != std::string::npos);
  CHECK(both.text.find("host: H\r\n") == std::string::npos);
}

TEST_CASE("http2 request: of one that is too large no reader takes a part for the whole") {
  for (const size_t fields : {size_t{1}, size_t{10}, size_t{50}}) {
    Fields many = get();
    for (size_t i = 0; i < fields; ++i) many.emplace_back("x-" + std::to_string(i), "value");
    many.emplace_back("sec-websocket-key", std::string(1100, 'k'));
    many.emplace_back("authorization", "needed");
    const Told large = told(many, false, 1024);
    REQUIRE(large.whole);
    Http1Parser::Limits limits;
    limits.head_bytes = 1024;
    Http1Parser parser(Http1Parser::Role::request, limits);
    CHECK(parser.feed_head(large.text).outcome == Http1Parser::Outcome::failed);
    CHECK(parser.status() == 431);
    CHECK(large.text.size() < 4 * 1024);
  }
}

TEST_CASE("http2 request: one of more than four times its limit is not read to its end") {
  Http2Request request(1000);
  CHECK(request.add("a", std::string(3000, 'x')));
  CHECK(request.add("\r\n", std::string(900, 'x')));  // unread: whatever it says
  CHECK_FALSE(request.add("b", std::string(1200, 'x')));
}
