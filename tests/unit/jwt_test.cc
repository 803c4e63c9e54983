// JWTs: their parts, and what claims must say. Signatures are tls_jwt_keys_test.cc's.
#include "protocol/jwt.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/unit/jwt_testing.h"

namespace sluice {
namespace {

using testing::base64url;

std::string verdict(const std::string& token) {
  Jwt jwt;
  const char* const why = parse_jwt(token, jwt);
  return why == nullptr ? "" : why;
}

std::string verdict_on_header(const std::string& header) {
  return verdict(base64url(header) + "." + base64url("{}") + "." + base64url("sig"));
}

struct Judged {
  std::string why;
  JwtClaims claims;
};

Judged claims_in(const std::string& json) {
  Judged judged;
  const char* const why = read_jwt_claims(base64url(json), judged.claims);
  if (why != nullptr) judged.why = why;
  return judged;
}

std::string checked(const std::string& json, const JwtDemands& demands, int64_t now_ms) {
  const Judged judged = claims_in(json);
  REQUIRE(judged.why == "");
  const char* const why = check_jwt_claims(judged.claims, demands, now_ms);
  return why == nullptr ? "" : why;
}

TEST_CASE("jwt: its parts, as RFC 7515 A.1 writes them") {
  const std::string token =
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
      ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnV"
      "l"
      "fQ"
      ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  Jwt jwt;
  REQUIRE(parse_jwt(token, jwt) == nullptr);
  CHECK(jwt.algorithm == "HS256");
  CHECK(!jwt.key_id);
  CHECK(jwt.signed_text == token.substr(0, token.rfind('.')));
  CHECK(jwt.signature.size() == 32);
  JwtClaims claims;
  REQUIRE(read_jwt_claims(jwt.payload, claims) == nullptr);
  CHECK(claims.issuer == "joe");
  CHECK(claims.expires_ms == 1'300'819'380'000);
  CHECK(claims.texts.at("http://example.com/is_root") == "true");
}

TEST_CASE("jwt: what is no compact JWS is refused") {
  const std::string good = base64url(R"({"alg":"HS256"})");
  for (const std::string& wrong :
       {std::string(), std::string("."), std::string(".."), std::string("..."), good, good + ".e30",
        good + ".e30.", good + ".e30.c2ln.c2ln", good + "=.e30.c2ln", good + ".e30.c2ln=",
        " " + good + ".e30.c2ln", good + ".e30.c2l", std::string("e30.e30.c2ln.x.y")}) {
    CAPTURE(wrong);
    // An empty signature is for the keys to refuse.
    if (wrong == good + ".e30.") {
      CHECK(verdict(wrong) == "");
    } else {
      CHECK(verdict(wrong) != "");
    }
  }
}

TEST_CASE("jwt: headers") {
  CHECK(verdict_on_header(R"({"alg":"HS256"})") == "");
  CHECK(verdict_on_header(R"({"alg":"HS256","kid":"../../etc/passwd","jku":"http://evil/"})") ==
        "");
  CHECK(verdict_on_header(R"({"alg":"none"})") == "");  // no key has that algorithm
  CHECK(verdict_on_header(R"({"alg":"HS256","crit":["b64"]})") == jwt_critical);
  CHECK(verdict_on_header(R"({"alg":"HS256","crit":[]})") == jwt_critical);
  for (const char* const wrong :
       {"", "{}", "[]", "x", R"({"alg":1})", R"({"alg":["HS256"]})", R"({"alg":null})",
        R"({"alg":"HS256","kid":1})", R"({"alg":"HS256","alg":"none"})", R"({"kid":"a"})"}) {
    CAPTURE(wrong);
    CHECK(verdict_on_header(wrong) == jwt_bad_header);
  }
  const std::string long_one =
      R"({"alg":"HS256","x":")" + std::string(most_jwt_header_bytes, 'x') + "\"}";
  CHECK(verdict_on_header(long_one) == jwt_bad_header);
}

TEST_CASE("jwt: claims of the wrong type are refused, and so are two of one name") {
  for (const char* const wrong :
       {"", "[]", "null", R"({"exp":"1"})", R"({"exp":null})", R"({"exp":true})", R"({"nbf":"x"})",
        R"({"iss":1})", R"({"iss":["a"]})", R"({"aud":1})", R"({"aud":["a",1]})", R"({"aud":{}})",
        R"({"exp":1,"exp":2})", R"({"exp":1e999})"}) {
    CAPTURE(wrong);
    CHECK(claims_in(wrong).why == jwt_bad_claims);
  }
  JwtClaims claims;
  CHECK(read_jwt_claims("e30=", claims) == std::string_view(jwt_bad_claims));
}

TEST_CASE("jwt: times are fractions or huge, and never overflow") {
  CHECK(claims_in(R"({"exp":1.5})").claims.expires_ms == 1500);
  CHECK(claims_in(R"({"exp":-1})").claims.expires_ms == -1000);
  for (const char* const huge : {"1e300", "18446744073709551615", "99999999999999999999999"}) {
    CAPTURE(huge);
    const JwtClaims claims = claims_in(R"({"exp":)" + std::string(huge) + "}").claims;
    CHECK(claims.expires_ms == 8'640'000'000'000'000);
    CHECK(check_jwt_claims(claims, {{}, {}, UINT32_MAX}, 1'800'000'000'000) == nullptr);
  }
  CHECK(claims_in(R"({"nbf":-1e300})").claims.not_before_ms == -8'640'000'000'000'000);
}

TEST_CASE("jwt: when it is valid, by the leeway on both sides") {
  const std::string times = R"({"nbf":1000,"exp":2000})";
  CHECK(checked(times, {}, 999'999) == jwt_not_yet);
  CHECK(checked(times, {}, 1'000'000) == "");
  CHECK(checked(times, {}, 1'999'999) == "");
  CHECK(checked(times, {}, 2'000'000) == jwt_expired);
  const JwtDemands lax{{}, {}, 500};
  CHECK(checked(times, lax, 999'499) == jwt_not_yet);
  CHECK(checked(times, lax, 999'500) == "");
  CHECK(checked(times, lax, 2'000'499) == "");
  CHECK(checked(times, lax, 2'000'500) == jwt_expired);
  CHECK(checked("{}", {}, 0) == "");
}

TEST_CASE("jwt: issuer and audience, where they are demanded") {
  const std::vector<std::string> wanted = {"a", "b"};
  const JwtDemands issuer{wanted, {}, 0};
  CHECK(checked(R"({"iss":"b"})", issuer, 0) == "");
  CHECK(checked(R"({"iss":"B"})", issuer, 0) == jwt_wrong_issuer);
  CHECK(checked(R"({"iss":""})", issuer, 0) == jwt_wrong_issuer);
  CHECK(checked("{}", issuer, 0) == jwt_wrong_issuer);
  const JwtDemands audience{{}, wanted, 0};
  CHECK(checked(R"({"aud":"a"})", audience, 0) == "");
  CHECK(checked(R"({"aud":["x","b"]})", audience, 0) == "");
  CHECK(checked(R"({"aud":["x"]})", audience, 0) == jwt_wrong_audience);
  CHECK(checked(R"({"aud":[]})", audience, 0) == jwt_wrong_audience);
  CHECK(checked("{}", audience, 0) == jwt_wrong_audience);
  CHECK(checked(R"({"iss":"x","aud":"x"})", {}, 0) == "");
}

TEST_CASE("jwt: claims as texts") {
  const auto texts = claims_in(R"({"sub":"al","n":12,"f":1.5,"t":true,"z":null,"o":{"a":1},
      "l":["a","b"],"e":[],"m":["a,b"],"x":["a",1],"empty":""})")
                         .claims.texts;
  CHECK(texts.at("sub") == "al");
  CHECK(texts.at("n") == "12");
  CHECK(texts.at("f") == "1.5");
  CHECK(texts.at("t") == "true");
  CHECK(texts.at("l") == "a,b");
  CHECK(texts.at("empty") == "");
  CHECK(texts.at("e") == "");
  for (const char* const none : {"z", "o", "m", "x"}) CHECK(texts.count(none) == 0);
}

TEST_CASE("jwt: key sets") {
  JwkSet set;
  REQUIRE(parse_jwk_set(R"({"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"Zm9v","use":"sig"},
      {"kty":"oct","k":"Zg=="},{"kty":7},{}]})",
                        set));
  REQUIRE(set.keys.size() == 4);
  CHECK(set.keys[0].type == "OKP");
  CHECK(set.keys[0].curve == "Ed25519");
  CHECK(set.keys[0].key_id == "k");
  CHECK(set.keys[0].x == "foo");
  CHECK(set.keys[0].use == "sig");
  CHECK(set.keys[1].secret == "");
  CHECK(set.keys[2].type == "");
  for (const char* const wrong : {"", "{}", "[]", R"({"keys":{}})", R"({"keys":[1]})",
                                  R"({"keys":[],"keys":[]})", R"({"keys":[{"x":"","x":""}]})"}) {
    CAPTURE(wrong);
    JwkSet none;
    CHECK(!parse_jwk_set(wrong, none));
  }
}

}  // namespace
}  // namespace sluice
