// Masked heads: which values are shown, and that tokens are not.
#include "core/session/masked_head.h"

#include <doctest/doctest.h>

#include <string>

namespace sluice {
namespace {

std::string joined(const std::vector<std::string>& lines) {
  std::string all;
  for (const std::string& line : lines) all += line + "\n";
  return all;
}

TEST_CASE("masked head: a target without its query and userinfo") {
  CHECK(masked_target("/a/b") == "/a/b");
  CHECK(masked_target("/a?token=secret#x") == "/a?***");
  CHECK(masked_target("/a#secret") == "/a#***");
  CHECK(masked_target("/a?") == "/a?***");
  CHECK(masked_target("") == "");
  CHECK(masked_target("http://me:secret@a.example/b@c?d") == "http://a.example/b@c?***");
  CHECK(masked_target("me:secret@a.example:443") == "a.example:443");
  CHECK(masked_target("http://a.example?secret/@") == "http://a.example?***");
}

TEST_CASE("masked head: a request's values, in any case, and of an answer its status") {
  RequestHead request;
  request.method = "GET";
  request.target = "/chat?token=secret";
  for (const char* shown : {"Upgrade", "connection", "User-Agent", "Sec-WebSocket-Version",
                            "SEC-WEBSOCKET-EXTENSIONS"}) {
    request.add(shown, "shown");
  }
  request.add("Host", "me:secret@a.example");
  request.add("Origin", "https://a.example");
  for (const char* masked : {"Cookie", "Authorization", "Sec-WebSocket-Protocol",
                             "Sec-WebSocket-Key", "X-Upgrade", "Referer", "Upgrade-Insecure"}) {
    request.add(masked, "secret");
  }
  const std::string all = joined(masked_lines(request));
  CHECK(all.starts_with("GET /chat?*** HTTP/1.1\nUpgrade: shown\nconnection: shown\n"));
  CHECK(all.find("Host: a.example\nOrigin: https://a.example\nCookie: ***\n") != std::string::npos);
  CHECK(all.find("secret") == std::string::npos);
  CHECK(all.find("Sec-WebSocket-Protocol: ***\n") != std::string::npos);

  AnswerHead answer;
  answer.status = 101;
  answer.reason = "secret";
  answer.add("Set-Cookie", "secret");
  answer.add("Upgrade", "websocket");
  CHECK(joined(masked_lines(answer)) == "HTTP/1.1 101\nSet-Cookie: ***\nUpgrade: websocket\n");
}

TEST_CASE("masked head: a request as it travels, however many fields it has") {
  std::string text = "GET /a?secret HTTP/1.1\r\nHost: b\r\n";
  for (int i = 0; i < 500; ++i) text += "X-" + std::to_string(i) + ": secret\r\n";
  const std::vector<std::string> lines = masked_request_lines(text + "\r\n");
  REQUIRE(lines.size() == 502);
  CHECK(lines[0] == "GET /a?*** HTTP/1.1");
  CHECK(lines[1] == "Host: b");
  CHECK(lines[501] == "X-499: ***");
}

}  // namespace
}  // namespace sluice
