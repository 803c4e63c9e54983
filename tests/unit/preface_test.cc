// What clients speak that take the port for another one.
#include "protocol/preface.h"

#include <doctest/doctest.h>

#include <string_view>

using namespace sluice;

TEST_CASE("preface: TLS and both versions of the PROXY protocol are told from HTTP") {
  using namespace std::string_view_literals;
  const auto told = [](std::string_view first) {
    const char* foreign = foreign_preface(first);
    return std::string_view(foreign == nullptr ? "" : foreign);
  };
  CHECK(told("\x16\x03\x01"sv) == "TLS on a plain port");
  CHECK(told("PROXY TCP4 10.0.0.1"sv) == "PROXY protocol on a port without it");
  CHECK(told("\r\n\r\n\0\r\nQUIT\n\x21"sv) == "PROXY protocol on a port without it");
  CHECK(told("GET / HTTP/1.1\r\n"sv) == "");
  CHECK(told("PROXYISH / HTTP/1.1\r\n"sv) == "");
  CHECK(told("\r\n\r\nGET"sv) == "");
  CHECK(told("P"sv) == "");
}
