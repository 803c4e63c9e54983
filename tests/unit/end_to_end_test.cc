// Which fields travel on, and that finding it out costs what the head is long.
#include "protocol/end_to_end.h"

#include <doctest/doctest.h>

#include <string>

#include "protocol/http1.h"

namespace sluice {
namespace {

// A head of so many bytes, about half of them different options of Connection and half of them
// fields with such names.
std::string hostile_head(size_t bytes) {
  constexpr std::string_view digits = "abcdefghijklmnopqrstuvwxyz0123456789";
  const auto name = [&](size_t n) {
    std::string text(4, 'a');
    for (char& byte : text) {
      byte = digits[n % digits.size()];
      n /= digits.size();
    }
    return text;
  };
  std::string head = "GET / HTTP/1.1\r\nConnection: upgrade";
  size_t number = 0;
  while (head.size() < bytes / 2) head += "," + name(number++);
  head += "\r\n";
  while (head.size() < bytes - 12) head += name(number += 7) + ":\r\n";
  return head + "\r\n";
}

TEST_CASE("what Connection nominates does not travel on, in any case") {
  Http1Parser parser(Http1Parser::Role::request, {});
  REQUIRE(
      parser.feed_head("GET / HTTP/1.1\r\nConnection: X-Hop, keep-alive\r\nconnection: ,b\r\n\r\n")
          .outcome == Http1Parser::Outcome::complete);
  const EndToEnd end_to_end(parser.request());
  for (const char* dropped : {"x-hop", "X-HOP", "Keep-Alive", "B", "Connection", "te", "Upgrade",
                              "Sec-WebSocket-Key", "Content-Length", "transfer-encoding"}) {
    CAPTURE(dropped);
    CHECK(!end_to_end.keeps(dropped));
  }
  for (const char* kept : {"X-Hope", "X-Ho", "Cookie", "a", "c", ""}) {
    CAPTURE(kept);
    CHECK(end_to_end.keeps(kept));
  }
}

TEST_CASE("a head costs what it is long, however many options meet however many fields") {
  const auto comparisons_of = [](size_t bytes) {
    const std::string head = hostile_head(bytes);
    Http1Parser parser(Http1Parser::Role::request, {.head_bytes = bytes});
    REQUIRE(parser.feed_head(head).outcome == Http1Parser::Outcome::complete);
    const EndToEnd end_to_end(parser.request());
    size_t kept = 0;
    for (const HeaderField& field : parser.request().fields) kept += end_to_end.keeps(field.name);
    CHECK(kept > 0);
    CHECK(kept < parser.request().fields.size());
    return end_to_end.comparisons();
  };
  const uint64_t small = comparisons_of(16 << 10);
  CHECK(small < 4 * (16 << 10));
  CHECK(comparisons_of(1 << 20) < 64 * 2 * small);  // 64 times as long
}

TEST_CASE("forwarding fields and names of other bytes") {
  for (const char* name :
       {"Forwarded", "x-real-ip", "X-Forwarded-For", "X-Forwarded-Port", "x-forwarded-anything",
        "True-Client-IP", "CF-Connecting-IP", "X-Forwarded", "X_Real_IP", "x_forwarded_for",
        "X.Forwarded~Proto", "X_Forwarded-Port", "True_Client-IP"}) {
    CAPTURE(name);
    CHECK(is_forwarding_field(name));
  }
  for (const char* name :
       {"X-Forward", "Forwarded2", "X-Real", "X_Real_IPs", "X__Real_IP", "Via", "Origin", ""}) {
    CAPTURE(name);
    CHECK(!is_forwarding_field(name));
  }
  CHECK(is_plain_name("X-Guard-2"));
  for (const char* name : {"X_Guard", "X.Guard", "X~", "a|b", "!"}) CHECK(!is_plain_name(name));
  CHECK(is_hop_by_hop("te"));
  CHECK(!is_hop_by_hop("tea"));
}

}  // namespace
}  // namespace sluice
