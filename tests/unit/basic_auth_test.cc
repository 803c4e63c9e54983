// The user and the password of an Authorization field, and fields that have none.
#include "protocol/basic_auth.h"

#include <doctest/doctest.h>

#include <string>

using namespace sluice;

TEST_CASE("basic auth: one field has one reading") {
  const auto text = [](std::string_view field) {
    const std::optional<BasicCredentials> told = parse_basic_credentials(field);
    return told ? told->user + "|" + told->password : std::string("none");
  };
  CHECK(text("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==") == "Aladdin|open sesame");  // RFC 7617 2
  CHECK(text("basic  QWxhZGRpbjpvcGVuIHNlc2FtZQ") == "Aladdin|open sesame");
  CHECK(text("Basic YTpiOmM=") == "a|b:c");
  CHECK(text("Basic Og==") == "|");
  CHECK(text("Basic dGVzdDoxMjPCow==") == "test|123\xc2\xa3");  // RFC 7617 2.1
  for (const char* other :
       {"", "Basic", "Basic ", "Bearer YTpi", "BasicYTpi", "Basic YTpi=", "Basic YTp",
        "Basic YT pi", "Basic YTpi YTpi", "Basic YQ==", "Basic YTpi\t", "Basic YTo=YTo=",
        "Basic YTpj_A==", "Basic YR==", "Basic YToKYg==", "Basic YTo===", "Basic YTpiAA=="}) {
    CAPTURE(other);
    CHECK(text(other) == "none");
  }
}
