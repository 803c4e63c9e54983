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
    const RequestHead& head = parser.request();
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

TEST_CASE("what came of a head that is not complete is there for the log") {
  const auto so_far = [](std::string_view bytes, size_t piece) {
    Http1Parser parser(Role::request, {});
    for (size_t at = 0; at < bytes.size(); at += piece) parser.feed_head(bytes.substr(at, piece));
    const RequestHead head = parser.request_so_far();
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
  CHECK(so_far("GET  /a HTTP/1.1\r\nHost: b\r\n\r\n", 500) == "GET /a -");
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

TEST_CASE("a bad line is refused with its end, not with the head's") {
  constexpr int waits = -1;
  CHECK(status_of("GET /\r\n") == 505);  // HTTP/0.9 says no more
  CHECK(status_of("GET / HTTP/0.9\r\n") == 505);
  CHECK(status_of("GET / HTTP/2.0\r\n") == 505);
  CHECK(status_of("PRI * HTTP/2.0\r\n") == 505);
  CHECK(status_of("GET  / HTTP/1.1\r\n") == 400);
  CHECK(status_of("GET /  HTTP/1.1\r\n") == 400);
  CHECK(status_of("GET /a#b HTTP/1.1\r\n") == 400);
  CHECK(status_of("GET /a/../b HTTP/1.1\r\n") == 400);
  CHECK(status_of("GET http://u:p@a/ HTTP/1.1\r\n") == 400);
  CHECK(status_of("OPTIONS * HTTP/1.1\r\n") == waits);
  CHECK(status_of("OPTIONS ** HTTP/1.1\r\n") == 400);
  CHECK(status_of("GET * HTTP/1.1\r\n") == 400);
  CHECK(status_of("GET a:443 HTTP/1.1\r\n") == 400);
  CHECK(status_of("CONNECT a:443 HTTP/1.1\r\n") == 405);
  CHECK(status_of("\r\n\r\n") == 400);
  CHECK(status_of("\n") == 400);
  CHECK(status_of("\r\n") == waits);
  CHECK(status_of("GET / HTTP/1.1\r\n") == waits);
  const std::string line = "GET / HTTP/1.1\r\n";
  CHECK(status_of(line + "Host: a\r\nHost: a\r\n") == 400);
  CHECK(status_of(line + "Host:\r\n") == 400);
  CHECK(status_of(line + "host: u@a\r\n") == 400);
  CHECK(status_of(line + "Host: a:b\r\n") == 400);
  CHECK(status_of(line + "Host: a\r\n") == waits);
  CHECK(status_of(line + "X: a\n") == 400);
  CHECK(status_of(line + "X\r\n") == 400);
  CHECK(status_of(line + "Content-Length: 1\r\nContent-Length: 1") == 400);
  CHECK(status_of(line + "Content-Length: 1\r\nTransfer-Encoding: chunked") == 400);
  CHECK(status_of("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n") == 400);
}

TEST_CASE("what comes first in a bad head decides, not what arrived with it") {
  CHECK(status_of("GET2/chat HTTP/1.1\r\n\r\n") == 501);  // found by fuzzing
  const Http1Parser::Limits limits{.head_bytes = 50, .fields = 2};
  const std::string long_line = "GET /" + std::string(50, 'a') + " HTTP/1.1\r\n";
  CHECK(status_of(long_line + "Bad Name: 1\r\n\r\n", limits) == 414);
  CHECK(status_of(long_line + "A: 1\r\nB: 2\r\nC: 3\r\n\r\n", limits) == 414);
  CHECK(status_of("GET /" + std::string(50, 'a') + "\x01", limits) == 414);
  CHECK(status_of("GET /\x01" + std::string(50, 'a'), limits) == 400);
  CHECK(status_of("GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nBad Name: 3\r\n\r\n", limits) == 400);
  CHECK(status_of("GET  / HTTP/1.1\r\nBad Name: 3\r\n\r\n") == 400);
  CHECK(status_of("GET / HTTP/2.0\r\nBad Name: 3\r\n\r\n") == 505);
  CHECK(status_of("GET / HTTP/1.1\r\nHost: u@a\r\nA: 1\r\nB: 2\r\n\r\n", limits) == 400);
}

TEST_CASE("limits: the head with its first line, the number of fields") {
  const auto with_target = [](size_t bytes) {
    return "GET /" + std::string(bytes, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n";
  };
  CHECK(status_of(with_target(9000)) == 0);
  CHECK(status_of(with_target(16'300)) == 0);
  CHECK(status_of(with_target(16'360)) == 431);  // the first line fits, the rest does not
  CHECK(status_of(with_target(20'000)) == 414);
  CHECK(status_of("GET /" + std::string(17'000, 'a')) == 414);  // before the line's end

  const auto with_field = [](size_t bytes) {
    return "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(bytes, 'a') + "\r\n\r\n";
  };
  CHECK(status_of(with_field(16'000)) == 0);
  CHECK(status_of(with_field(16'400)) == 431);
  CHECK(status_of("GET / HTTP/1.1\r\nX: " + std::string(17'000, 'a')) == 431);
  const Http1Parser::Limits large{.head_bytes = 1 << 20};
  CHECK(status_of(with_field(1'000'000), large) == 0);
  CHECK(status_of(with_target(1'000'000), large) == 0);

  std::string fields;
  for (int i = 0; i < 100; ++i) fields += "X: a\r\n";
  const std::string line = "GET / HTTP/1.1\r\n";
  const Http1Parser::Limits hundred{.fields = 100};
  CHECK(status_of(line + fields + "\r\n", hundred) == 0);
  CHECK(status_of(line + fields + "X: a\r\n\r\n", hundred) == 431);
  CHECK(status_of(line + fields + fields + "X: a\r\n\r\n") == 0);  // no such limit

  const Http1Parser::Limits small{.head_bytes = 1024};
  CHECK(status_of(with_target(1100), small) == 414);
  CHECK(status_of(with_field(1100), small) == 431);
  const std::string exact = with_field(1024 - with_field(0).size());
  CHECK(status_of(exact, small) == 0);
  CHECK(status_of(exact, {.head_bytes = 1023}) == 431);
}

TEST_CASE("limits: the options that Connection names count as fields do") {
  const Http1Parser::Limits three{.fields = 3};
  const std::string line = "GET / HTTP/1.1\r\n";
  CHECK(status_of(line + "Connection: a, b\r\nconnection: ,c,,\r\n\r\n", three) == 0);
  CHECK(status_of(line + "Connection: a, b\r\nconnection: c,d\r\n", three) == 431);
  CHECK(status_of(line + "Connection: a,b,c,d\r\n\r\n") == 0);
}

TEST_CASE("limits: what was passed, and how much of it was seen") {
  using Passed = Http1Parser::Passed;
  const auto passed = [](std::string_view bytes, Passed limit, size_t seen) {
    Http1Parser parser(Role::request, {.head_bytes = 100, .fields = 2});
    CHECK(parser.feed_head(bytes).outcome == Outcome::failed);
    CHECK(parser.passed() == limit);
    CHECK(parser.seen() == seen);
  };
  const std::string line = "GET / HTTP/1.1\r\n";
  passed(line + "X: " + std::string(300, 'x'), Passed::head_bytes, 319);
  passed("GET /" + std::string(300, 'x'), Passed::head_bytes, 305);
  passed(line + "A: 1\r\nB: 2\r\nC: 3\r\n", Passed::fields, 3);
  passed(line + "Connection: a,b,c,d\r\n", Passed::connection_options, 4);
  passed("GET  / HTTP/1.1\r\n", Passed::none, 0);
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
Answer feed_answer(const std::string& bytes, size_t piece_bytes, size_t head_bytes = 16 * 1024) {
  Http1Parser parser(Role::response, {.head_bytes = head_bytes});
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
      answer.status = parser.answer().status;
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

// What an answer's body holds beside its payload is bounded as the head is.
TEST_CASE("answers: chunk extensions and trailers are counted, in every piece size") {
  const std::string head = "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string extension = "5;" + std::string(90, 'x') + "\r\nhello\r\n";
  std::string many;
  for (int i = 0; i < 20; ++i) many += extension;
  const std::string long_extension = "5;" + std::string(200, 'x') + "\r\nhello\r\n0\r\n\r\n";
  std::string trailers = "0\r\n";
  for (int i = 0; i < 20; ++i) trailers += "T: 0123456789\r\n";
  for (size_t piece = 1; piece < 400; piece += 7) {
    CAPTURE(piece);
    const auto outcome = [&](const std::string& body) {
      return feed_answer(head + body, piece, 128).outcome;
    };
    CHECK(outcome(many + "0\r\nT: t\r\n\r\n") == Outcome::complete);
    CHECK(outcome(long_extension) == Outcome::failed);
    CHECK(outcome("5\r\nhello\r\n" + trailers + "\r\n") == Outcome::failed);
    CHECK(outcome("5;" + std::string(200, 'x')) == Outcome::failed);  // before the line ends
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

TEST_CASE("answers: a bad line is refused with its end") {
  const auto reason = [](std::string_view bytes) {
    for (size_t piece = 1; piece <= bytes.size(); ++piece) {
      Http1Parser parser(Role::response, {});
      Outcome outcome = Outcome::more;
      for (size_t at = 0; at < bytes.size() && outcome == Outcome::more; at += piece) {
        outcome = parser.feed_head(bytes.substr(at, piece)).outcome;
      }
      if (outcome != Outcome::failed) return std::string("piece of ") + std::to_string(piece);
      if (piece == bytes.size()) return std::string(parser.reason());
    }
    return std::string();
  };
  CHECK(reason("HTTP/2.0 200 OK\r\n") == "HTTP version other than 1.x");
  CHECK(reason("HTTP/1.1 099 Odd\r\n") == "status out of range");
  CHECK(reason("HTTP/1.1 404 No\x01\r\n") == "malformed status line");
  CHECK(reason("\r\n\r\n") == "bytes before the first line");
  CHECK(reason("HTTP/1.1 404 No\r\nbad field\r\n") == "malformed field");
  CHECK(reason("HTTP/1.0 404 No\r\nTransfer-Encoding: chunked\r\n") ==
        "Transfer-Encoding in HTTP/1.0");
}

TEST_CASE("interim answers count toward the limit of the answer that they announce") {
  const std::string hint = "HTTP/1.1 103 Early\r\n\r\n";
  const std::string answer = "HTTP/1.1 101 Now\r\n\r\n";
  const auto outcome = [&](size_t hints, size_t piece) {
    Http1Parser parser(Role::response, {.head_bytes = 10 * hint.size() + answer.size()});
    std::string bytes;
    for (size_t i = 0; i < hints; ++i) bytes += hint;
    bytes += answer;
    Http1Parser::Fed fed;
    for (size_t at = 0; at < bytes.size() && fed.outcome != Outcome::failed; at += fed.consumed) {
      if (fed.outcome == Outcome::complete) parser.next_head();
      fed = parser.feed_head(std::string_view(bytes).substr(at, piece));
    }
    CHECK((fed.outcome == Outcome::failed) == (parser.passed() == Http1Parser::Passed::head_bytes));
    return fed.outcome;
  };
  for (const size_t piece : {1u, 7u, 1000u}) {
    CHECK(outcome(10, piece) == Outcome::complete);
    CHECK(outcome(11, piece) == Outcome::failed);
    CHECK(outcome(100, piece) == Outcome::failed);
  }
}

TEST_CASE("interim answers: the next head is parsed afresh") {
  Http1Parser parser(Role::response, {});
  const std::string bytes = "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 101 Now\r\nA: b\r\n\r\n";
  auto fed = parser.feed_head(bytes);
  REQUIRE(fed.outcome == Outcome::complete);
  CHECK(parser.answer().status == 103);
  parser.next_head();
  fed = parser.feed_head(std::string_view(bytes).substr(fed.consumed));
  REQUIRE(fed.outcome == Outcome::complete);
  CHECK(parser.answer().status == 101);
  REQUIRE(parser.answer().fields.size() == 1);
  CHECK(parser.answer().fields[0].name == "A");
}

TEST_CASE("heads are written as they say, and read back the same") {
  RequestHead request;
  request.method = "GET";
  request.target = "/chat?x=1";
  request.add("Host", "a.example");
  request.add_made("X-Made", std::string("one") + ", two");
  const RequestHead moved = std::move(request);  // with what it made
  const std::string bytes = write_http1(moved);
  CHECK(bytes == "GET /chat?x=1 HTTP/1.1\r\nHost: a.example\r\nX-Made: one, two\r\n\r\n");
  Http1Parser parser(Role::request, {});
  REQUIRE(parser.feed_head(bytes).outcome == Outcome::complete);
  CHECK(write_http1(parser.request()) == bytes);

  AnswerHead answer;
  answer.status = 404;
  answer.reason = "Not Found";
  answer.add("Content-Length", "0");
  CHECK(write_http1(answer) == "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
}

}  // namespace
}  // namespace sluice
