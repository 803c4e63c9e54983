// Error answers: what each status demands, advice in plain words, the request id, and that nothing
// of the inside is told.
#include "protocol/error_answer.h"

#include <doctest/doctest.h>

#include <string>

#include "protocol/http1.h"

namespace sluice {
namespace {

bool holds(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::string text_of(const ErrorAnswer& answer) {
  return write_http1(answer.head) + answer.body;
}

// The body without its first line, the status, and its last one, the request id.
std::string advice(int status, std::string_view reason) {
  const std::string body = build_error_answer(status, reason, "3-17").body;
  const std::string last = "\nRequest id: 3-17\n";
  REQUIRE(body.ends_with(last));
  const size_t first = body.find('\n') + 1;
  return body.substr(first, body.size() - last.size() - first);
}

TEST_CASE("our answers carry what their status demands") {
  const auto answer_to = [](int status) { return text_of(build_error_answer(status, "", "0-1")); };
  CHECK(holds(answer_to(405), "\r\nAllow: GET\r\n"));
  CHECK(holds(text_of(build_error_answer(405, "", "0-1", 1, "GET, HEAD")),
              "\r\nAllow: GET, HEAD\r\n"));
  CHECK(holds(answer_to(426), "\r\nUpgrade: websocket\r\n"));
  CHECK(holds(answer_to(426), "\r\nSec-WebSocket-Version: 13\r\n"));
  CHECK(holds(answer_to(426), "\r\nConnection: Upgrade, close\r\n"));
  CHECK(holds(answer_to(503), "\r\nRetry-After: 1\r\n"));
  for (const int status :
       {400, 403, 404, 405, 408, 414, 426, 429, 431, 500, 501, 502, 503, 504, 505}) {
    CAPTURE(status);
    CHECK(status_text(status) != "Error");
    Http1Parser parser(Http1Parser::Role::response, {});
    const std::string answer = answer_to(status);
    const auto fed = parser.feed_head(answer);
    REQUIRE(fed.outcome == Http1Parser::Outcome::complete);
    CHECK(parser.answer().status == status);
    CHECK(has_list_token(parser.answer(), "Connection", "close"));
    CHECK(*parser.answer().find("Cache-Control") == "no-store");
    CHECK(*parser.answer().find("X-Request-Id") == "0-1");
    CHECK(parser.content_length() == answer.size() - fed.consumed);
    const std::string words = advice(status, "some reason");
    CHECK(words.size() > 20);
    CHECK(words.ends_with('.'));
  }
}

TEST_CASE("a reason becomes advice") {
  CHECK(holds(advice(426, "no upgrade to websocket asked for"), "ws:// or wss://"));
  CHECK(holds(advice(426, "Sec-WebSocket-Version is not 13"), "Sec-WebSocket-Version: 13"));
  CHECK(holds(advice(400, "malformed or doubled Sec-WebSocket-Key"), "base64"));
  CHECK(holds(advice(400, "TLS on a plain port"), "ws://"));
  CHECK(holds(advice(400, "plain HTTP on a TLS port"), "wss://"));
  // One without a row is told as it stands: it is about what the client itself sent.
  CHECK(holds(advice(400, "malformed field"), "malformed field"));
}

TEST_CASE("a fault behind the server is not shown to strangers") {
  for (const int status : {500, 502, 503, 504}) {
    CAPTURE(status);
    const std::string reason = "certificate verify failed: peer 10.0.0.7";
    CHECK(!holds(text_of(build_error_answer(status, reason, "0-1")), "10.0.0.7"));
    CHECK(!holds(text_of(build_error_answer(status, reason, "0-1")), "certificate"));
  }
  CHECK(holds(advice(502, "no peer could be reached"), "operator the request id"));
}

}  // namespace
}  // namespace sluice
