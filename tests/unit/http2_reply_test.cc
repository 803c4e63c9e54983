// Http2Reply: what an answer's head of HTTP/2 says in HTTP/1.1, and which heads say nothing.
#include "protocol/http2_reply.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "protocol/http1.h"

using namespace sluice;

namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

constexpr const char* key = "dGhlIHNhbXBsZSBub25jZQ==";
const Http2Asked plain;
const Http2Asked websocket{.websocket = true, .key = key};

// "": malformed.
std::string told(const Fields& fields, const Http2Asked& asked = plain, bool ended = false,
                 size_t most_bytes = 16 * 1024) {
  Http2Reply reply(most_bytes);
  for (const auto& field : fields) {
    if (!reply.add(field.first, field.second)) return "";
  }
  return reply.whole() ? reply.text(asked, ended) : "";
}

}  // namespace

TEST_CASE("http2 reply: how a body ends is told as the request's sender can read it") {
  const Fields ok = {{":status", "200"}, {"server", "x"}};
  CHECK(told(ok) == "HTTP/1.1 200 \r\ntransfer-encoding: chunked\r\nserver: x\r\n\r\n");
  CHECK(told(ok, plain, true) == "HTTP/1.1 200 \r\ncontent-length: 0\r\nserver: x\r\n\r\n");
  CHECK(told(ok, {.to_http10 = true}) == "HTTP/1.1 200 \r\nserver: x\r\n\r\n");
  CHECK(told(ok, {.to_head = true}, true) == "HTTP/1.1 200 \r\nserver: x\r\n\r\n");
  CHECK(told({{":status", "200"}, {"content-length", "5"}}) ==
        "HTTP/1.1 200 \r\ncontent-length: 5\r\n\r\n");
  CHECK(told({{":status", "204"}}, plain, true) == "HTTP/1.1 204 \r\n\r\n");
  CHECK(told({{":status", "304"}}, plain, true) == "HTTP/1.1 304 \r\n\r\n");
  CHECK(told({{":status", "103"}, {"link", "</a>"}}) == "HTTP/1.1 103 \r\nlink: </a>\r\n\r\n");
}

TEST_CASE("http2 reply: a WebSocket's 2xx is the 101 that its asker awaits, another is itself") {
  CHECK(told({{":status", "200"}, {"sec-websocket-protocol", "chat"}}, websocket) ==
        "HTTP/1.1 101 \r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
        "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        "sec-websocket-protocol: chat\r\n\r\n");
  CHECK(told({{":status", "200"}, {"sec-websocket-accept", "forged"}}, websocket).find("forged") ==
        std::string::npos);
  CHECK(told({{":status", "403"}}, websocket, true) ==
        "HTTP/1.1 403 \r\ncontent-length: 0\r\n\r\n");
}

TEST_CASE("http2 reply: what is told is an answer that HTTP/1.1 reads in one way") {
  for (const Http2Asked& asked : {plain, websocket}) {
    for (const bool ended : {false, true}) {
      const std::string text =
          told({{":status", "200"}, {"set-cookie", "a=1"}, {"set-cookie", "b=2"}}, asked, ended);
      Http1Parser parser(Http1Parser::Role::response, {});
      const Http1Parser::Fed fed = parser.feed_head(text);
      CHECK(fed.outcome == Http1Parser::Outcome::complete);
      CHECK(fed.consumed == text.size());
      CHECK(parser.answer().count("set-cookie") == 2);
    }
  }
}

TEST_CASE("http2 reply: what HTTP/1.1 could not say is malformed") {
  CHECK(told({}) == "");
  CHECK(told({{"server", "x"}}) == "");
  CHECK(told({{":status", "101"}}) == "");
  for (const char* status : {"", "20", "2000", "2x0", "099", "-20", " 200"}) {
    CAPTURE(status);
    CHECK(told({{":status", status}}) == "");
  }
  const Fields worse[] = {
      {{":status", "200"}, {":status", "200"}},
      {{"server", "x"}, {":status", "200"}},
      {{":status", "200"}, {":path", "/"}},
      {{":status", "200"}, {"Server", "x"}},
      {{":status", "200"}, {"connection", "close"}},
      {{":status", "200"}, {"transfer-encoding", "chunked"}},
      {{":status", "200"}, {"upgrade", "h2c"}},
      {{":status", "200"}, {"a", "b\r\nc: d"}},
      {{":status", "200"}, {"a b", "c"}},
      {{":status", "200"}, {"a", std::string("b\0c", 3)}},
  };
  for (const Fields& fields : worse) {
    CAPTURE(fields.back().first);
    CHECK(told(fields) == "");
  }
}

TEST_CASE("http2 reply: a head that is too large is told so that its reader sees it") {
  const std::string text =
      told({{":status", "200"}, {"a", std::string(400, 'x')}, {"b", "y"}}, plain, false, 256);
  Http1Parser parser(Http1Parser::Role::response, {.head_bytes = 256});
  CHECK(parser.feed_head(text).outcome == Http1Parser::Outcome::failed);
  CHECK(parser.passed() == Http1Parser::Passed::head_bytes);
  CHECK(told({{":status", "200"}, {"a", std::string(4'000, 'x')}, {"b", "y"}}, plain, false, 256) ==
        "");
}
