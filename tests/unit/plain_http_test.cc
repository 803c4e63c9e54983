// Plain HTTP: which requests' framing is understood, what may be made twice, and heads as the next
// hop gets them.
#include "protocol/plain_http.h"

#include <doctest/doctest.h>

#include <string>

namespace sluice {
namespace {

// A request's head, which the parser lets pass.
struct Request {
  explicit Request(const std::string& bytes) : parser(Http1Parser::Role::request, {}) {
    REQUIRE(parser.feed_head(bytes).outcome == Http1Parser::Outcome::complete);
  }
  const RequestHead& head() const { return parser.request(); }

  Http1Parser parser;
};

RequestHead head_with(std::initializer_list<HeaderField> fields) {
  RequestHead head;
  head.method = "POST";
  for (const HeaderField& field : fields) head.fields.push_back(field);
  return head;
}

int status_of(std::initializer_list<HeaderField> fields) {
  MessageFraming framing;
  const auto refusal = request_framing(head_with(fields), framing);
  return refusal ? refusal->status : 0;
}

// The parser refuses most of these before; this is judged without it, too.
TEST_CASE("plain http: a body whose end could be read in two ways is refused") {
  CHECK(status_of({}) == 0);
  CHECK(status_of({{"Content-Length", "0"}}) == 0);
  CHECK(status_of({{"content-length", "9223372036854775807"}}) == 0);
  CHECK(status_of({{"Transfer-Encoding", "chunked"}}) == 0);
  CHECK(status_of({{"transfer-encoding", "CHUNKED"}}) == 0);

  CHECK(status_of({{"Content-Length", "1"}, {"Transfer-Encoding", "chunked"}}) == 400);
  CHECK(status_of({{"Transfer-Encoding", "chunked"}, {"Content-Length", "0"}}) == 400);
  CHECK(status_of({{"Content-Length", "1"}, {"Content-Length", "1"}}) == 400);
  for (const char* length :
       {"", "+1", "-1", "1,1", "0x1", "1 ", "1_0", "9223372036854775808", "18446744073709551616"}) {
    CAPTURE(length);
    CHECK(status_of({{"Content-Length", length}}) == 400);
  }
  for (const char* coding : {"", "gzip", "gzip, chunked", "chunked, chunked", "chunked,",
                             "xchunked", "\"chunked\"", "chunked;q=1", "identity"}) {
    CAPTURE(coding);
    CHECK(status_of({{"Transfer-Encoding", coding}}) == 501);
  }
  CHECK(status_of({{"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}}) == 501);
}

TEST_CASE("plain http: what framing says of a body") {
  MessageFraming framing;
  CHECK(!request_framing(head_with({{"Content-Length", "7"}}), framing));
  CHECK(framing.kind == BodyFraming::length);
  CHECK(framing.length == 7);
  CHECK(framing.has_body());
  CHECK(!request_framing(head_with({{"Content-Length", "0"}}), framing));
  CHECK(!framing.has_body());
  CHECK(!request_framing(head_with({{"Transfer-Encoding", "chunked"}}), framing));
  CHECK(framing.kind == BodyFraming::chunked);
  CHECK(framing.has_body());
  CHECK(!request_framing(head_with({}), framing));
  CHECK(framing.kind == BodyFraming::none);
  CHECK(!framing.has_body());
}

TEST_CASE("plain http: methods") {
  for (const char* method : {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}) {
    CHECK(method_is_idempotent(method));
    CHECK(method_is_served(method));
  }
  for (const char* method : {"POST", "PATCH", "PROPFIND", "get"}) {
    CHECK(!method_is_idempotent(method));
    CHECK(method_is_served(method));
  }
  CHECK(!method_is_served("CONNECT"));
  CHECK(!method_is_served("TRACE"));
}

TEST_CASE("plain http: what asks of a server as a whole") {
  const auto asks = [](const std::string& line) {
    const Request request(line + " HTTP/1.1\r\nHost: a\r\n\r\n");
    UpgradeRequest found;
    CHECK(!find_target(request.head(), found));
    CHECK(found.target.path.starts_with('/'));
    return asks_of_server(request.head(), found.target);
  };
  CHECK(asks("OPTIONS *"));
  CHECK(asks("OPTIONS http://b"));
  CHECK(asks("OPTIONS http://b:80"));
  CHECK(!asks("OPTIONS /"));
  CHECK(!asks("OPTIONS http://b/"));
  CHECK(!asks("OPTIONS http://b?b"));
  CHECK(!asks("OPTIONS http://b/b"));
  CHECK(!asks("GET http://b"));
}

TEST_CASE("plain http: whose connection may stay open") {
  CHECK(wants_keep_alive(Request("GET / HTTP/1.1\r\nHost: a\r\n\r\n").head()));
  CHECK(wants_keep_alive(
      Request("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n").head()));
  CHECK(!wants_keep_alive(
      Request("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n").head()));
  CHECK(!wants_keep_alive(
      Request("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n").head()));
}

TEST_CASE("plain http: authentication that is the connection's") {
  const auto binds = [](const std::string& field) {
    return binds_its_connection(
        Request("GET / HTTP/1.1\r\nHost: a\r\n" + field + "\r\n\r\n").head());
  };
  for (const char* const field :
       {"Authorization: Negotiate YII=", "authorization: ntlm TlRM", "Proxy-Authorization: NTLM x",
        "WWW-Authenticate: Basic realm=\"a\", Negotiate", "WWW-Authenticate: NTLM",
        "Persistent-Auth: true", "Proxy-Authenticate: Negotiate abc"}) {
    CAPTURE(field);
    CHECK(binds(field));
  }
  for (const char* const field : {"Authorization: Bearer Negotiate", "Authorization: Basic eA==",
                                  "WWW-Authenticate: Basic realm=\"NTLM\"", "X-NTLM: NTLM"}) {
    CAPTURE(field);
    CHECK(!binds(field));
  }
}

TEST_CASE("plain http: the request as the upstream gets it") {
  const auto built = [](const std::string& bytes) {
    const Request request(bytes);
    MessageFraming framing;
    CHECK(!request_framing(request.head(), framing));
    UpstreamRequest upstream;
    upstream.target = "/up";
    upstream.host = "b";
    upstream.forwarded_proto = "http";
    return write_http1(build_plain_request(request.head(), framing, upstream));
  };
  CHECK(built("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 007\r\nConnection: x-one, "
              "keep-alive\r\nX-One: 1\r\nX-Two: 2\r\nTE: trailers\r\nUpgrade: h2c\r\n\r\n") ==
        "POST /up HTTP/1.1\r\nHost: b\r\nX-Two: 2\r\nX-Forwarded-Proto: http\r\n"
        "Connection: close\r\nContent-Length: 7\r\n\r\n");
  CHECK(built("PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n") ==
        "PUT /up HTTP/1.1\r\nHost: b\r\nX-Forwarded-Proto: http\r\nConnection: close\r\n"
        "Transfer-Encoding: chunked\r\n\r\n");
  // Its answer must not be one that its client cannot read.
  CHECK(built("GET /x HTTP/1.0\r\nHost: a\r\n\r\n") ==
        "GET /up HTTP/1.0\r\nHost: b\r\nX-Forwarded-Proto: http\r\nConnection: close\r\n\r\n");
}

struct Answer {
  explicit Answer(const std::string& bytes, bool to_head = false)
      : parser(Http1Parser::Role::response, {}) {
    if (to_head) parser.answers_head_request();
    REQUIRE(parser.feed_head(bytes).outcome == Http1Parser::Outcome::complete);
  }
  std::string built(bool keep_alive) const {
    return write_http1(
        build_plain_answer(parser.answer(), parser.framing(), parser.content_length(), keep_alive));
  }

  Http1Parser parser;
};

TEST_CASE("plain http: the answer as the client gets it") {
  const std::string fields = "X-A: 1\r\nConnection: x-b\r\nX-B: 2\r\nKeep-Alive: timeout=5\r\n";
  CHECK(Answer("HTTP/1.1 200 Fine\r\n" + fields + "Content-Length: 3\r\n\r\n").built(true) ==
        "HTTP/1.1 200 Fine\r\nX-A: 1\r\nContent-Length: 3\r\n\r\n");
  CHECK(Answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").built(true) ==
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  CHECK(Answer("HTTP/1.0 200 OK\r\n\r\n").built(false) ==
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
}

TEST_CASE("plain http: answers without a body") {
  const Answer head("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", /*to_head=*/true);
  CHECK(head.parser.framing() == BodyFraming::none);
  CHECK(head.built(true) == "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
  const Answer chunked("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", /*to_head=*/true);
  CHECK(chunked.parser.framing() == BodyFraming::none);
  CHECK(chunked.built(true) == "HTTP/1.1 200 OK\r\n\r\n");
  const Answer same("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nETag: x\r\n\r\n");
  CHECK(same.parser.framing() == BodyFraming::none);
  CHECK(same.built(true) == "HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 9\r\n\r\n");
  const Answer none("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n");
  CHECK(none.built(true) == "HTTP/1.1 204 No Content\r\n\r\n");  // RFC 9110 8.6
}

TEST_CASE("plain http: an interim answer") {
  const Answer hints("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\nX: 1\r\n\r\n");
  CHECK(write_http1(build_interim_answer(hints.parser.answer())) ==
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
}

}  // namespace
}  // namespace sluice
