// Http2Message: what of an HTTP/1.1 answer travels over HTTP/2, however its bytes are cut.
#include "protocol/http2_message.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>

using namespace sluice;

namespace {

struct Heard {
  std::string heads;  // "200 a=b;", interim ones in brackets
  std::string body;
  std::string trailers;
  bool tunnel = false;
  bool ended = false;
  bool bad = false;
  bool may_end = false;
  size_t behind = 0;  // bytes that were not its own
};

std::string text_of(const std::vector<Http2Field>& fields) {
  std::string text;
  for (const Http2Field& field : fields) text += field.name + "=" + field.value + ";";
  return text;
}

// Gives the answer in pieces of so many bytes, and takes payload by at most `most_taken`.
Heard hear(std::string_view bytes, bool websocket = false, bool to_head = false,
           size_t piece = SIZE_MAX, size_t most_taken = SIZE_MAX) {
  Http2Message answer = Http2Message::answer(websocket, to_head);
  Heard heard;
  size_t at = 0;
  size_t given = 0;
  while (true) {
    if (at == given) {
      if (given == bytes.size()) break;
      given += std::min(piece, bytes.size() - given);
    }
    const auto* const data = reinterpret_cast<const uint8_t*>(bytes.data());
    const Http2Message::Step step = answer.read({data + at, given - at});
    if (step.kind == Http2Message::Kind::payload) {
      const size_t taken = std::min(step.consumed, most_taken);
      heard.body += bytes.substr(at, taken);
      answer.took(taken);
      at += taken;
      if (answer.whole()) heard.ended = true;
      continue;
    }
    at += step.consumed;
    switch (step.kind) {
      case Http2Message::Kind::interim:
        heard.heads += "[" + text_of(answer.fields()) + "]";
        continue;
      case Http2Message::Kind::head:
        heard.heads += text_of(answer.fields());
        heard.ended = answer.whole();
        heard.may_end = answer.may_end();
        continue;
      case Http2Message::Kind::tunnel:
        heard.heads += text_of(answer.fields());
        heard.tunnel = true;
        heard.behind = bytes.size() - at;
        return heard;
      case Http2Message::Kind::end:
        heard.ended = true;
        heard.trailers = text_of(answer.fields());
        heard.behind = bytes.size() - at;
        return heard;
      case Http2Message::Kind::bad:
        heard.bad = true;
        return heard;
      default:
        if (step.consumed == 0 && given == bytes.size()) return heard;
        continue;
    }
  }
  heard.may_end = answer.may_end();
  return heard;
}

}  // namespace

TEST_CASE("http2 answer: a 101 is a 200 without the fields of its connection") {
  const Heard heard = hear(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: Chat\r\nX-A: b\r\n\r\n\x81\x01y",
      true);
  CHECK(heard.tunnel);
  CHECK(heard.heads == ":status=200;sec-websocket-protocol=Chat;x-a=b;");
  CHECK(heard.behind == 3);
}

// Success would open the WebSocket there.
TEST_CASE("http2 answer: success without a 101 is a 502 to who asked for a WebSocket") {
  for (const std::string status : {"200", "204", "226"}) {
    const std::string text = "HTTP/1.1 " + status + " OK\r\nX-A: b\r\n\r\n";
    CHECK(hear(text, true).heads == ":status=502;x-a=b;");
    CHECK(hear(text, false).heads == ":status=" + status + ";x-a=b;");
  }
  CHECK(hear("HTTP/1.1 301 Moved\r\n\r\n", true).heads == ":status=301;");
}

TEST_CASE("http2 answer: bodies of each framing, in pieces of any size, taken in any steps") {
  for (const size_t piece : {size_t{1}, size_t{2}, size_t{7}, SIZE_MAX}) {
    for (const size_t taken : {size_t{1}, size_t{3}, SIZE_MAX}) {
      CAPTURE(piece);
      CAPTURE(taken);
      Heard heard = hear("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
                         false, false, piece, taken);
      CHECK(heard.heads == ":status=200;content-length=5;");
      CHECK(heard.body == "hello");
      CHECK(heard.ended);
      heard = hear(
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n1\r\n!\r\n"
          "0\r\nX-Sum: 6 \r\nY: z\r\n\r\n",
          false, false, piece, taken);
      CHECK(heard.heads == ":status=200;");
      CHECK(heard.body == "hello!");
      CHECK(heard.ended);
      CHECK(heard.trailers == "x-sum=6;y=z;");
      heard = hear("HTTP/1.1 200 OK\r\n\r\nuntil the end", false, false, piece, taken);
      CHECK(heard.body == "until the end");
      CHECK_FALSE(heard.ended);
      CHECK(heard.may_end);
    }
  }
}

TEST_CASE("http2 answer: heads that no body follows") {
  for (const std::string_view text :
       {"HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}) {
    CHECK(hear(text).ended);
  }
  const Heard to_head = hear("HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n", false, true);
  CHECK(to_head.ended);
  CHECK(to_head.heads == ":status=200;content-length=77;");
}

TEST_CASE("http2 answer: interim answers go before it, an unasked 101 is none") {
  const Heard heard = hear(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
  CHECK(heard.heads == "[:status=100;][:status=103;link=a;]:status=200;content-length=1;");
  CHECK(heard.body == "x");
  CHECK(hear("HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n").bad);
}

TEST_CASE("http2 answer: one that breaks off may not end, what is no answer is bad for good") {
  const Heard cut = hear("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
  CHECK(cut.body == "hel");
  CHECK_FALSE(cut.ended);
  CHECK_FALSE(cut.may_end);
  CHECK_FALSE(hear("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").may_end);
  CHECK(hear("no answer\r\n\r\n").bad);
  CHECK(hear("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n").bad);
}

namespace {

// What is asked over HTTP/2: "fields|body|trailers|", and how it goes on.
std::string asked(std::string_view bytes, size_t piece = SIZE_MAX, bool secure = false) {
  Http2Message request = Http2Message::request(secure);
  std::string told;
  std::string body;
  size_t at = 0;
  size_t given = 0;
  while (at < bytes.size()) {
    if (at == given) given += std::min(piece, bytes.size() - given);
    const auto* const data = reinterpret_cast<const uint8_t*>(bytes.data());
    const Http2Message::Step step = request.read({data + at, given - at});
    if (step.kind == Http2Message::Kind::payload) {
      body += bytes.substr(at, step.consumed);
      request.took(step.consumed);
      at += step.consumed;
      if (request.whole()) return told + "|" + body + "|whole";
      continue;
    }
    at += step.consumed;
    switch (step.kind) {
      case Http2Message::Kind::head:
        told += text_of(request.fields());
        if (request.whole()) return told + "|whole";
        continue;
      case Http2Message::Kind::tunnel:
        CHECK(request.asked().websocket);
        return told + text_of(request.fields()) + "|tunnel " + request.asked().key;
      case Http2Message::Kind::end:
        return told + "|" + body + "|" + text_of(request.fields()) + "whole";
      case Http2Message::Kind::bad:
      case Http2Message::Kind::interim:
        return "bad";
      case Http2Message::Kind::more:
      case Http2Message::Kind::payload:
        if (step.consumed == 0) given += std::min(piece, bytes.size() - given);
        continue;
    }
  }
  return told + "|" + body + "|more";
}

}  // namespace

TEST_CASE("http2 message: requests, however they are cut") {
  for (const size_t piece : {SIZE_MAX, size_t{1}, size_t{7}}) {
    CAPTURE(piece);
    CHECK(asked("GET /a?b HTTP/1.1\r\nHost: h:81\r\nConnection: close\r\nX-A: 1\r\n\r\n", piece) ==
          ":method=GET;:scheme=http;:authority=h:81;:path=/a?b;x-a=1;|whole");
    CHECK(asked("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", piece, true) ==
          ":method=OPTIONS;:scheme=https;:authority=h;:path=*;|whole");
    CHECK(asked("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", piece) ==
          ":method=POST;:scheme=http;:authority=h;:path=/;content-length=3;|abc|whole");
    CHECK(asked("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                "3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n ",
                piece) == ":method=POST;:scheme=http;:authority=h;:path=/;|abcde|x-t=1;whole");
    CHECK(asked("GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 0\r\n"
                "Sec-WebSocket-Version: 13\r\n\r\n",
                piece) ==
          ":method=CONNECT;:protocol=websocket;:scheme=http;:authority=h;:path=/chat;"
          "sec-websocket-version=13;|tunnel dGhlIHNhbXBsZSBub25jZQ==");
  }
  CHECK(asked("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab") ==
        ":method=POST;:scheme=http;:authority=h;:path=/;content-length=3;|ab|more");
  CHECK(asked("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
              "Transfer-Encoding: chunked\r\n\r\nab") == "bad");
  CHECK(asked("nonsense\r\n\r\n") == "bad");
}
