// Forwarded: nodes and elements as RFC 7239 spells them.
#include "protocol/forwarded.h"

#include <doctest/doctest.h>

namespace sluice {
namespace {

TEST_CASE("forwarded: nodes") {
  CHECK(forwarded_node("192.0.2.7") == "192.0.2.7");
  CHECK(forwarded_node("192.0.2.7:4711") == "\"192.0.2.7:4711\"");
  CHECK(forwarded_node("2001:db8::7") == "\"[2001:db8::7]\"");
  CHECK(forwarded_node("[2001:db8::7]") == "\"[2001:db8::7]\"");
  CHECK(forwarded_node("[2001:db8::7]:4711") == "\"[2001:db8::7]:4711\"");
  for (const char* none : {"", "unknown", "a.example", "192.0.2.7:", "192.0.2.7:port", "[]",
                           "[1.2]", "_hidden", "1.2.3.4\";by=x", "unix:"}) {
    CHECK_MESSAGE(forwarded_node(none) == "unknown", none);
  }
}

TEST_CASE("forwarded: elements and lists") {
  CHECK(forwarded_element("192.0.2.7", "a.example:81", "https") ==
        "for=192.0.2.7;host=\"a.example:81\";proto=https");
  CHECK(forwarded_element("", "", "http") == "for=unknown;proto=http");
  CHECK(forwarded_element("::1", "a\"b\\c", "http") ==
        "for=\"[::1]\";host=\"a\\\"b\\\\c\";proto=http");
  CHECK(forwarded_list("") == "");
  CHECK(forwarded_list("192.0.2.7, ::1,, x") == "for=192.0.2.7, for=\"[::1]\", for=unknown");
}

}  // namespace
}  // namespace sluice
