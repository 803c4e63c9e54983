// Health answers: which requests they are for, and what stands in them.
#include "core/session/health_answer.h"

#include <doctest/doctest.h>

#include "protocol/http1.h"

namespace sluice {
namespace {

bool asks(const std::string& first_line, const std::string& fields = "Host: a\r\n",
          std::string_view path = "/up") {
  Http1Parser parser(Http1Parser::Role::request, {4096, 100});
  REQUIRE(parser.feed_head(first_line + "\r\n" + fields + "\r\n").outcome ==
          Http1Parser::Outcome::complete);
  return asks_for_health(parser.request(), path);
}

TEST_CASE("health answer: a GET or HEAD of exactly that path asks for it") {
  CHECK(asks("GET /up HTTP/1.1"));
  CHECK(asks("HEAD /up HTTP/1.1"));
  CHECK(asks("GET /up?x=/ HTTP/1.1"));
  CHECK_FALSE(asks("GET /up/ HTTP/1.1"));
  CHECK_FALSE(asks("GET /Up HTTP/1.1"));
  CHECK_FALSE(asks("GET /%75p HTTP/1.1"));
  CHECK_FALSE(asks("GET //up HTTP/1.1"));
  CHECK_FALSE(asks("GET /u HTTP/1.1"));
  CHECK_FALSE(asks("POST /up HTTP/1.1", "Host: a\r\nContent-Length: 0\r\n"));
  CHECK_FALSE(asks("OPTIONS /up HTTP/1.1"));
  CHECK_FALSE(asks("GET /up HTTP/1.1", "Host: a\r\n", ""));
}

TEST_CASE("health answer: HTTP/1.0 needs no Host, HTTP/1.1 does") {
  CHECK(asks("GET /up HTTP/1.0", ""));
  CHECK(asks("GET /up HTTP/1.0"));
  CHECK_FALSE(asks("GET /up HTTP/1.1", ""));
}

TEST_CASE("health answer: 200 or 503, closed and never cached, a HEAD's without its body") {
  CHECK(health_answer(true, false) ==
        "HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-store\r\n"
        "Content-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n");
  const std::string drained = health_answer(false, true);
  CHECK(drained.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
  CHECK(drained.ends_with("Content-Length: 8\r\n\r\n"));
}

}  // namespace
}  // namespace sluice
