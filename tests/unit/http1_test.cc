// Http1Parser: heads in every split, what is refused and with which status, bodies of answers.
#include "protocol/http1.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace sluice {
namespace {

using Role = Http1Parser::Role;
using Outcome = Http1Parser::Outcome;
using Framing = Http1Parser::Framing;

const std::string good_request =
    "GET /chat?x=1 HTTP/1.1\r\nHost: a.example\r\nEmpty:\r\nX-List: a , \"b,c\" ,,d\r\n"
    "x-list: E\r\nBlank: \t two words \t\r\n\r\n";

// What a request is refused with, 0 for none; fed whole and in single bytes, which must agree.
int status_of(const std::string& bytes, const Http1Parser::Limits& limits = {}) {
  Http1Parser whole(Role::request, limits);
  const auto fed = whole.feed_head(bytes);
  Http1Parser split(Role::request, limits);
  Outcome outcome = Outcome::more;
  for (size_t i = 0; i < bytes.size() && outcome == Outcome::more; ++i) {
    outcome = split.feed_head(std::string_view(bytes).substr(i, 1)).outcome;
  }
  CHECK(outcome == fed.outcome);
  CHECK(whole.status() == split.status());
  if (fed.outcome == Outcome::more) return -1;
  return whole.status();
}

TEST_CASE("a request's head, cut in two at every byte") {
  const std::string behind = "\x81\x80next";
  const std::string bytes = good_request + behind;
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    CAPTURE(cut);
    Http1Parser parser(Role::request, {});
    size_t consumed = 0;
    auto fed = parser.feed_head(std::string_view(bytes).substr(0, cut));
    consumed += fed.consumed;
    if (fed.outcome == Outcome::more) {
      CHECK(consumed == cut);
      fed = parser.feed_head(std::string_view(bytes).substr(cut));
      consumed += fed.consumed;
    }
    REQUIRE(fed.outcome == Outcome::complete);
    CHECK(consumed == good_request.size());
    const Head& head = parser.head();
    CHECK(head.method == "GET");
    CHECK(head.target == "/chat?x=1");
    CHECK(head.major_version == 1);
    CHECK(head.minor_version == 1);
    REQUIRE(head.fields.size() == 5);
    CHECK(head.fields[1].name == "Empty");
    CHECK(head.fields[1].value.empty());
    CHECK(head.fields[4].value == "two words");
  }
}

TEST_CASE("fields are found without case, lists are cut at commas outside quotes") {
  Http1Parser parser(Role::request, {});
  REQUIRE(parser.feed_head(good_request).outcome == Outcome::complete);
  const Head& head = parser.head();
  REQUIRE(head.find("HOST") != nullptr);
  CHECK(*head.find("hOsT") == "a.example");
  CHECK(head.find("Hos") == nullptr);
  CHECK(head.count("X-LIST") == 2);
  const std::vector<std::string_view> expected{"a", "\"b,c\"", "d", "E"};
  CHECK(list_elements(head, "X-List") == expected);
  CHECK(has_list_token(head, "X-List", "e"));
  CHECK(!has_list_token(head, "X-List", "b"));
}

TEST_CASE("what came of a head that is not complete is there for the log") {
  const auto so_far = [](std::string_view bytes, size_t piece) {
    Http1Parser parser(Role::request, {});
    for (size_t at = 0; at < bytes.size(); at += piece) parser.feed_head(bytes.substr(at, piece));
    const Head head = parser.head_so_far();
    const std::string_view* host = head.find("Host");
    return std::string(head.method) + " " + std::string(head.target) + " " +
           std::string(host == nullptr ? "-" : *host);
  };
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{500}}) {
    CAPTURE(piece);
    CHECK(so_far("GET /a HTTP/1.1\r\nHost: b\r\nX : 1\r\n", piece) == "GET /a b");
    CHECK(so_far("GET /a HTTP/1.1\r\nHost: b\r\nX", piece) == "GET /a b");
    CHECK(so_far("GET /a HTTP/1.1\r\nHost: b", piece) == "GET /a -");
    CHECK(so_far("\r\nGET /a HTTP/1.1\r\nHost : b", piece) == "GET /a -");
    CHECK(so_far("GET /a", piece) == "GET /a -");
    CHECK(so_far("GE", piece) == "GE  -");
    CHECK(so_far("", piece) == "  -");
  }
  CHECK(so_far("GET  /a HTTP/1.1\r\nHost: b\r\n\r\n", 500) == "GET /a b");
  CHECK(so_far("GET /a\x01 HTTP/1.1\r\n", 500) == "GET /a\x01 -");
}

TEST_CASE("malformed heads are 400 at once") {
  const std::string line = "GET / HTTP/1.1\r\n";
  for (const std::string& bytes : {
           std::string("GET / HTTP/1.1\nHost: a\n\n"),  // bare LF
           line + "Host: a\rX: b\r\n\r\n",              // bare CR
           line + "Host: a\r\n folded\r\n\r\n",         // obs-fold
           line + "Host : a\r\n\r\n",                   // blank before the colon
           line + ": a\r\n\r\n",                        // empty name
           line + "Ho st: a\r\n\r\n",                   // no token
           line + "H\xc3\xb6st: a\r\n\r\n",
           line + std::string("X: a\0b\r\n\r\n", 10),  // NUL
           line + "X: a\x01\r\n\r\n",                  // control byte
           line + "X: a\x7f\r\n\r\n",
           line + " X: a\r\n\r\n",  // blank before the first field
           line + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
           line + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
           line + "Content-Length: 1, 1\r\n\r\n",
           line + "Content-Length: -1\r\n\r\n",
           line + "Content-Length: 99999999999999999999999\r\n\r\n",
           line + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
           std::string("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),  // two blanks
           std::string("GET /  HTTP/1.1\r\nHost: a\r\n\r\n"),
           std::string("GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
           std::string(" GET / HTTP/1.1\r\n\r\n"),
           std::string("\r\n\r\nGET / HTTP/1.1\r\n\r\n"),  // more than one line before
           std::string("\nGET / HTTP/1.1\r\n\r\n"),
           std::string("GE(T / HTTP/1.1\r\n\r\n"),
           std::string("GE\tT / HTTP/1.1\r\n\r\n"),
           std::string("GET / HTTP/x\r\n\r\n"),
           std::string("GET / FTP/1.1\r\n\r\n"),
           std::string("\x16\x03\x01\x02\x00\x01\x00", 7),  // a TLS ClientHello
       }) {
    CAPTURE(bytes);
    CHECK(status_of(bytes) == 400);
  }
  CHECK(status_of("\r\n" + good_request) == 0);  // RFC 9112 2.2: one empty line is ignored
}

TEST_CASE("methods and versions that we do not speak") {
  CHECK(status_of("FOO / HTTP/1.1\r\n\r\n") == 501);
  CHECK(status_of("get / HTTP/1.1\r\n\r\n") == 501);
  CHECK(status_of("GET /\r\n\r\n") == 505);  // HTTP/0.9
  CHECK(status_of("GET / HTTP/0.9\r\n\r\n") == 505);
  CHECK(status_of("GET / HTTP/2.0\r\n\r\n") == 505);
  CHECK(status_of("GET / HTTP/3.0\r\n\r\n") == 505);
  CHECK(status_of("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == 505);
  CHECK(status_of("GET / HTTP/1.0\r\n\r\n") == 0);  // the handshake refuses it
}

TEST_CASE("what comes first in a bad head decides, not what arrived with it") {
  CHECK(status_of("GET2/chat HTTP/1.1\r\n\r\n") == 501);  // found by fuzzing
  const Http1Parser::Limits limits{.request_line_bytes = 20, .head_bytes = 100, .fields = 2};
  const std::string long_line = "GET /" + std::string(20, 'a') + " HTTP/1.1\r\n";
  CHECK(status_of(long_line + "Bad Name: 1\r\n\r\n", limits) == 414);
  CHECK(status_of(long_line + "A: 1\r\nB: 2\r\nC: 3\r\n\r\n", limits) == 414);
  CHECK(status_of("GET /" + std::string(20, 'a') + "\x01", limits) == 414);
  CHECK(status_of("GET /\x01" + std::string(20, 'a'), limits) == 400);
  CHECK(status_of("GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nBad Name: 3\r\n\r\n", limits) == 400);
}

TEST_CASE("limits: the request line, the head, the number of fields") {
  const auto with_target = [](size_t bytes) {
    return "GET /" + std::string(bytes, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n";
  };
  CHECK(status_of(with_target(8000)) == 0);
  CHECK(status_of(with_target(8200)) == 414);
  CHECK(status_of(with_target(20'000)) == 414);
  CHECK(status_of("GET /" + std::string(9000, 'a')) == 414);  // before the line's end

  const auto with_field = [](size_t bytes) {
    return "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(bytes, 'a') + "\r\n\r\n";
  };
  CHECK(status_of(with_field(16'000)) == 0);
  CHECK(status_of(with_field(16'400)) == 431);
  CHECK(status_of("GET / HTTP/1.1\r\nX: " + std::string(17'000, 'a')) == 431);

  std::string fields;
  for (int i = 0; i < 100; ++i) fields += "X: a\r\n";
  CHECK(status_of("GET / HTTP/1.1\r\n" + fields + "\r\n") == 0);
  CHECK(status_of("GET / HTTP/1.1\r\n" + fields + "X: a\r\n\r\n") == 431);

  Http1Parser::Limits small;
  small.head_bytes = small.request_line_bytes = 1024;
  CHECK(status_of(with_target(1100), small) == 414);
  CHECK(status_of(with_field(1100), small) == 431);
}

TEST_CASE("a failed parser stays failed") {
  Http1Parser parser(Role::request, {});
  REQUIRE(parser.feed_head("\x01").outcome == Outcome::failed);
  CHECK(parser.feed_head(good_request).outcome == Outcome::failed);
  CHECK(parser.status() == 400);
}

struct Answer {
  Outcome outcome = Outcome::more;
  Framing framing = Framing::none;
  int status = 0;
  std::string body;
  bool ended = false;
  size_t left_over = 0;
};

// Feeds an answer, head and body, in pieces of that size.
Answer feed_answer(const std::string& bytes, size_t piece_bytes) {
  Http1Parser parser(Role::response, {});
  Answer answer;
  size_t at = 0;
  bool in_head = true;
  while (at < bytes.size() && (in_head || answer.outcome == Outcome::more)) {
    const auto piece = std::string_view(bytes).substr(at, piece_bytes);
    const auto fed = in_head ? parser.feed_head(piece) : parser.feed_body(piece, answer.body);
    answer.outcome = fed.outcome;
    if (fed.outcome == Outcome::failed) return answer;
    at += fed.consumed;
    if (in_head && fed.outcome == Outcome::complete) {
      in_head = false;
      answer.framing = parser.framing();
      answer.status = parser.head().status;
      answer.outcome = parser.feed_body("", answer.body).outcome;
    }
  }
  answer.ended = in_head ? false : parser.finish_body();
  answer.left_over = bytes.size() - at;
  return answer;
}

TEST_CASE("answers: framing and bodies, in every piece size") {
  for (size_t piece = 1; piece < 80; piece += 3) {
    CAPTURE(piece);
    const Answer length = feed_answer("HTTP/1.1 401 No\r\nContent-Length: 5\r\n\r\nhelloX", piece);
    CHECK(length.framing == Framing::length);
    CHECK(length.outcome == Outcome::complete);
    CHECK(length.body == "hello");
    CHECK(length.left_over == 1);

    const Answer chunked = feed_answer(
        "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n1\r\n!\r\n0\r\n"
        "Trailer: t\r\n\r\n",
        piece);
    CHECK(chunked.framing == Framing::chunked);
    CHECK(chunked.outcome == Outcome::complete);
    CHECK(chunked.body == "hello!");

    const Answer until_close = feed_answer("HTTP/1.1 404 \r\n\r\nall of it", piece);
    CHECK(until_close.framing == Framing::until_close);
    CHECK(until_close.outcome == Outcome::more);
    CHECK(until_close.ended);
    CHECK(until_close.body == "all of it");

    const Answer none = feed_answer("HTTP/1.1 204 Nothing\r\nContent-Length: 9\r\n\r\nrest", piece);
    CHECK(none.framing == Framing::none);
    CHECK(none.outcome == Outcome::complete);
    CHECK(none.body.empty());

    const Answer upgrade = feed_answer(
        "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x01x",
        piece);
    CHECK(upgrade.status == 101);
    CHECK(upgrade.left_over == 3);
  }
}

TEST_CASE("answers that break off or are malformed") {
  CHECK(!feed_answer("HTTP/1.1 401 No\r\nContent-Length: 5\r\n\r\nhel", 100).ended);
  CHECK(!feed_answer("HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", 100).ended);
  for (const char* bytes :
       {"hello", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 Odd\r\n\r\n", "HTTP/1.1 700 Odd\r\n\r\n", "HTTP/1.1 200 OK\nX: y\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        // Found by fuzzing: llhttp takes these.
        "HTTP/1.1 404 No\x01\r\n\r\n", "HTTP/1.1 404 No\x7f\r\n\r\n",
        "HTTP/1.1 404 No\r\rX: y\r\n\r\n", "HTTP/1.1 404\r\rX: y\r\n\r\n",
        "\r\n\rHTTP/1.1 404 No\r\n\r\n", "\n\nHTTP/1.1 404 No\r\n\r\n"}) {
    CAPTURE(bytes);
    CHECK(feed_answer(bytes, 100).outcome == Outcome::failed);
  }
}

TEST_CASE("interim answers: the next head is parsed afresh") {
  Http1Parser parser(Role::response, {});
  const std::string bytes = "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 101 Now\r\nA: b\r\n\r\n";
  auto fed = parser.feed_head(bytes);
  REQUIRE(fed.outcome == Outcome::complete);
  CHECK(parser.head().status == 103);
  parser.next_head();
  fed = parser.feed_head(std::string_view(bytes).substr(fed.consumed));
  REQUIRE(fed.outcome == Outcome::complete);
  CHECK(parser.head().status == 101);
  REQUIRE(parser.head().fields.size() == 1);
  CHECK(parser.head().fields[0].name == "A");
}

}  // namespace
}  // namespace sluice
