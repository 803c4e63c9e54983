// Keys of JWTs: each verifies what was signed with its algorithm, and nothing else.
#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include "protocol/base64url.h"
#include "tests/unit/jwt_testing.h"
#include "tests/unit/tls_identity.h"
#include "tls/jwt_keys.h"

namespace sluice {
namespace {

using testing::signature_of;

const std::string text = "header.payload";

Result<JwtKey> key_from(JwtAlgorithm algorithm, const KeyPtr& key) {
  return JwtKey::from_pem(algorithm, testing::public_pem(key.get()));
}

std::string fault_of(const Result<JwtKey>& made) {
  return made.ok() ? "" : made.fault().text();
}

void check_verifies(const JwtKey& key, const std::string& signature) {
  CHECK(key.verify(text, signature));
  CHECK(!key.verify(text + "x", signature));
  CHECK(!key.verify("", signature));
  CHECK(!key.verify(text, ""));
  CHECK(!key.verify(text, signature + "x"));
  CHECK(!key.verify(text, signature.substr(1)));
  for (size_t at = 0; at < signature.size(); at += 7) {
    std::string other = signature;
    other[at] = static_cast<char>(other[at] ^ 1);
    CHECK(!key.verify(text, other));
  }
}

TEST_CASE("jwt keys: algorithms by their names, and none besides") {
  CHECK(jwt_algorithm("HS256") == JwtAlgorithm::hs256);
  CHECK(jwt_algorithm("RS256") == JwtAlgorithm::rs256);
  CHECK(jwt_algorithm("ES256") == JwtAlgorithm::es256);
  CHECK(jwt_algorithm("EdDSA") == JwtAlgorithm::eddsa);
  CHECK(jwt_algorithm("Ed25519") == JwtAlgorithm::eddsa);
  for (const char* const other : {"none", "None", "", "hs256", "HS384", "PS256", "HS256 ", "Ed448"})
    CHECK(!jwt_algorithm(other));
}

TEST_CASE("jwt keys: each algorithm verifies its own signatures") {
  const std::string secret(32, 's');
  Result<JwtKey> hmac = JwtKey::from_secret(secret);
  REQUIRE(hmac.ok());
  check_verifies(hmac.value(), signature_of(testing::hmac_key(secret).get(), text));
  const KeyPtr rsa = testing::rsa_key(2048);
  Result<JwtKey> by_rsa = key_from(JwtAlgorithm::rs256, rsa);
  REQUIRE(by_rsa.ok());
  check_verifies(by_rsa.value(), signature_of(rsa.get(), text));
  const KeyPtr ec = testing::ec_key("P-256");
  Result<JwtKey> by_ec = key_from(JwtAlgorithm::es256, ec);
  REQUIRE(by_ec.ok());
  check_verifies(by_ec.value(), signature_of(ec.get(), text));
  const KeyPtr ed = testing::ed25519_key();
  Result<JwtKey> by_ed = key_from(JwtAlgorithm::eddsa, ed);
  REQUIRE(by_ed.ok());
  check_verifies(by_ed.value(), signature_of(ed.get(), text));
}

TEST_CASE("jwt keys: what is public is no secret") {
  const KeyPtr rsa = testing::rsa_key(2048);
  const std::string pem = testing::public_pem(rsa.get());
  Result<JwtKey> key = JwtKey::from_pem(JwtAlgorithm::rs256, pem);
  REQUIRE(key.ok());
  CHECK(!key.value().verify(text, signature_of(testing::hmac_key(pem).get(), text)));
  CHECK(fault_of(JwtKey::from_pem(JwtAlgorithm::hs256, pem)) != "");
}

TEST_CASE("jwt keys: an ECDSA signature is two numbers, not DER") {
  const KeyPtr ec = testing::ec_key("P-256");
  Result<JwtKey> key = key_from(JwtAlgorithm::es256, ec);
  REQUIRE(key.ok());
  const DigestContextPtr context(EVP_MD_CTX_new());
  std::string der(128, '\0');
  size_t length = der.size();
  REQUIRE(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, ec.get()) == 1);
  REQUIRE(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(der.data()), &length,
                         reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1);
  der.resize(length);
  CHECK(!key.value().verify(text, der));
  CHECK(key.value().verify(text, testing::raw_signature(der)));
  CHECK(!key.value().verify(text, std::string(64, '\0')));
}

TEST_CASE("jwt keys: a key is of its algorithm's kind, and large enough") {
  const KeyPtr rsa = testing::rsa_key(2048);
  const KeyPtr small = testing::rsa_key(1024);
  const KeyPtr ec = testing::ec_key("P-256");
  const KeyPtr other_curve = testing::ec_key("P-384");
  const KeyPtr ed = testing::ed25519_key();
  CHECK(fault_of(key_from(JwtAlgorithm::rs256, ec)) == "it is no RSA key");
  CHECK(fault_of(key_from(JwtAlgorithm::rs256, small)) == "an RSA key has 2048 bits at least");
  CHECK(fault_of(key_from(JwtAlgorithm::es256, rsa)) == "it is no EC key on the curve P-256");
  CHECK(fault_of(key_from(JwtAlgorithm::es256, other_curve)) ==
        "it is no EC key on the curve P-256");
  CHECK(fault_of(key_from(JwtAlgorithm::eddsa, ec)) == "it is no Ed25519 key");
  CHECK(fault_of(key_from(JwtAlgorithm::eddsa, ed)) == "");
  CHECK(fault_of(JwtKey::from_secret(std::string(31, 'x'))) == "a secret has 32 bytes at least");
  CHECK(fault_of(JwtKey::from_secret("")) != "");
}

TEST_CASE("jwt keys: PEM files") {
  const testing::Identity identity = testing::make_identity({.common_name = "issuer"});
  const BioPtr memory(BIO_new(BIO_s_mem()));
  REQUIRE(PEM_write_bio_X509(memory.get(), identity.certificate.get()) == 1);
  const std::string certificate = content_of(memory.get());
  CHECK(fault_of(JwtKey::from_pem(JwtAlgorithm::es256, certificate)) == "");
  CHECK(fault_of(JwtKey::from_pem(JwtAlgorithm::es256, "")) ==
        "it holds neither a public key nor a certificate in PEM");
  const KeyPtr ec = testing::ec_key("P-256");
  const BioPtr secret(BIO_new(BIO_s_mem()));
  REQUIRE(PEM_write_bio_PrivateKey(secret.get(), ec.get(), nullptr, nullptr, 0, nullptr, nullptr) ==
          1);
  CHECK(fault_of(JwtKey::from_pem(JwtAlgorithm::es256, content_of(secret.get())))
            .starts_with("it holds a private key"));
}

TEST_CASE("jwt keys: of a key's numbers, as RFC 7515 A has them") {
  const auto bytes = [](const char* digits) { return decode_base64url(digits).value(); };
  Result<JwtKey> ec = JwtKey::from_p256(bytes("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
                                        bytes("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"));
  REQUIRE(ec.ok());
  CHECK(ec.value().verify(
      "eyJhbGciOiJFUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl"
      "fQ",
      bytes("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU"
            "1Q")));
  // RFC 8037 A.4.
  Result<JwtKey> ed = JwtKey::from_ed25519(bytes("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"));
  REQUIRE(ed.ok());
  CHECK(ed.value().verify("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
                          bytes("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhV"
                                "sPt9g7sVvpAr_MuM0KAg")));
  CHECK(fault_of(JwtKey::from_p256(std::string(32, 1), std::string(32, 1))) ==
        "x and y are no point on the curve P-256");
  CHECK(fault_of(JwtKey::from_p256("", "")) != "");
  CHECK(fault_of(JwtKey::from_ed25519(std::string(31, 1))) != "");
  CHECK(fault_of(JwtKey::from_rsa("", "")) != "");
  CHECK(fault_of(JwtKey::from_rsa(std::string(256, '\x81'), "\x02")) ==
        "its exponent is none of an RSA key");
  CHECK(fault_of(JwtKey::from_rsa(std::string(256, '\x81'), "\x01")) ==
        "its exponent is none of an RSA key");
  CHECK(fault_of(JwtKey::from_rsa(std::string(1025, '\x81'), "\x03")) ==
        "an RSA key has 8192 bits at most");
}

TEST_CASE("jwt keys: names are compared, and who has none is meant by all") {
  Result<JwtKey> key = JwtKey::from_secret(std::string(32, 'x'));
  REQUIRE(key.ok());
  CHECK(key.value().answers_to("a"));
  CHECK(key.value().answers_to(std::nullopt));
  key.value().id = "a";
  CHECK(key.value().answers_to("a"));
  CHECK(key.value().answers_to(std::nullopt));
  CHECK(!key.value().answers_to("A"));
}

}  // namespace
}  // namespace sluice
