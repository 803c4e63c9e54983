// What a route's `return` answers.
#include "core/session/own_reply.h"

#include <doctest/doctest.h>

namespace sluice {
namespace {

TEST_CASE("own reply: text, a redirect, and nothing") {
  const Reply text{200, {}, "text/plain; charset=utf-8", "hello\n"};
  CHECK(reply_text(text, "", "GET", true) ==
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 6\r\n\r\n"
        "hello\n");
  CHECK(reply_text(text, "", "HEAD", false) ==
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Length: 6\r\n\r\n");
  const Reply moved{301, HeaderValue("https://a/"), "", ""};
  CHECK(reply_text(moved, "https://a/", "GET", true) ==
        "HTTP/1.1 301 Moved Permanently\r\nLocation: https://a/\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 15\r\n\r\nSee https://a/\n");
  CHECK(reply_text(Reply{204, {}, "", ""}, "", "GET", true) == "HTTP/1.1 204 No Content\r\n\r\n");
  CHECK(reply_text(Reply{404, {}, "", ""}, "", "GET", true) ==
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
}

}  // namespace
}  // namespace sluice
