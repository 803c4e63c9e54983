// Origins as browsers write them, and what is none.
#include "protocol/origin.h"

#include <doctest/doctest.h>

#include <string>

using namespace sluice;

TEST_CASE("origin: scheme, host and port, in lower case") {
  const auto text = [](std::string_view given) {
    const std::optional<Origin> origin = parse_origin(given);
    if (!origin) return std::string("none");
    return origin->scheme + " " + origin->host + " " + std::to_string(origin->port);
  };
  CHECK(text("https://a.example") == "https a.example 443");
  CHECK(text("HTTPS://A.Example:443") == "https a.example 443");
  CHECK(text("http://a.example") == "http a.example 80");
  CHECK(text("http://a.example:8080") == "http a.example 8080");
  CHECK(text("https://[2001:db8::1]:8443") == "https [2001:db8::1] 8443");
  CHECK(text("chrome-extension://abcdef") == "chrome-extension abcdef 0");
  for (const char* other : {"null",
                            "",
                            "a.example",
                            "https://",
                            "://a.example",
                            "https:a.example",
                            "https://a.example/",
                            "https://a.example/x",
                            "https://a.example?x",
                            "https://a.example#x",
                            "https://u@a.example",
                            "https://u:p@a.example",
                            "https://a.example https://b.example",
                            "https://a.example, https://b.example",
                            "https://a.example:99999",
                            "https://a.example:x",
                            "1s://a.example",
                            "ht tp://a.example",
                            "https://a b",
                            "https://a\\b"}) {
    CAPTURE(other);
    CHECK(text(other) == "none");
  }
}
