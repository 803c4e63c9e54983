// base64url: each text has one spelling, and nothing else is taken (RFC 4648 3.5).
#include "protocol/base64url.h"

#include <doctest/doctest.h>

#include "tests/unit/jwt_testing.h"

namespace sluice {
namespace {

TEST_CASE("base64url: what RFC 4648 10 and RFC 7515 C spell") {
  CHECK(decode_base64url("") == "");
  CHECK(decode_base64url("Zg") == "f");
  CHECK(decode_base64url("Zm8") == "fo");
  CHECK(decode_base64url("Zm9v") == "foo");
  CHECK(decode_base64url("Zm9vYmFy") == "foobar");
  CHECK(decode_base64url("A-z_4ME") == "\x03\xec\xff\xe0\xc1");
}

TEST_CASE("base64url: padding, foreign bytes, a digit alone and stray bits are refused") {
  for (const char* const wrong :
       {"Zg==", "Zg=", "Z", "Zm9vY", "Zh", "Zm9", "Zm 8", "Zm9v\n", "+w", "/w", ".", "Zm8\x80"}) {
    CAPTURE(wrong);
    CHECK(!decode_base64url(wrong));
  }
}

TEST_CASE("base64url: every byte comes back") {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) {
    all += static_cast<char>(byte);
    CHECK(decode_base64url(testing::base64url(all)) == all);
  }
}

}  // namespace
}  // namespace sluice
