// JWTs and key sets: an oracle of its own splits what is taken; signatures of strangers are none,
// whatever key is asked, and of a token's claims no text comes twice or from elsewhere.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/check.h"
#include "protocol/base64url.h"
#include "protocol/jwt.h"
#include "protocol/strict_json.h"
#include "tests/fuzz/input.h"
#include "tls/jwt_keys.h"

namespace sluice::fuzz {

namespace {

JwtKey made(Result<JwtKey> key) {
  return std::move(key.value());
}

// One of each kind, which no input knows the other half of.
const std::vector<JwtKey>& keys() {
  static const std::vector<JwtKey> all = [] {
    const auto bytes = [](const char* digits) { return decode_base64url(digits).value(); };
    std::vector<JwtKey> each;
    each.push_back(made(JwtKey::from_secret("a fuzzer cannot guess 32 bytes of it")));
    each.push_back(made(JwtKey::from_p256(bytes("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
                                          bytes("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"))));
    each.push_back(
        made(JwtKey::from_ed25519(bytes("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"))));
    return each;
  }();
  return all;
}

std::string encoded(std::string_view bytes) {
  static constexpr char digits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  uint32_t bits = 0;
  unsigned count = 0;
  for (const char byte : bytes) {
    bits = (bits << 8 | static_cast<unsigned char>(byte)) & 0xffff;
    for (count += 8; count >= 6; count -= 6) text += digits[bits >> (count - 6) & 63];
  }
  if (count > 0) text += digits[bits << (6 - count) & 63];
  return text;
}

void check_json(std::string_view text) {
  const std::optional<nlohmann::json> found = parse_json_object(text);
  if (!found) return;
  SLUICE_CHECK(found->is_object());
  // What is written down again is the same, and still strict.
  const std::string again = found->dump();
  const std::optional<nlohmann::json> second = parse_json_object(again);
  SLUICE_CHECK(second && second->dump() == again);
}

void check_claims(std::string_view payload) {
  JwtClaims claims;
  if (read_jwt_claims(payload, claims) != nullptr) return;
  const nlohmann::json all = *parse_json_object(decode_base64url(payload).value());
  for (const auto& [name, text] : claims.texts) SLUICE_CHECK(all.contains(name));
  SLUICE_CHECK(claims.issuer.has_value() == all.contains("iss"));
  const int64_t now_ms = 1'800'000'000'000;
  const char* const why = check_jwt_claims(claims, {}, now_ms);
  const bool in_time = (!claims.expires_ms || now_ms < *claims.expires_ms) &&
                       (!claims.not_before_ms || now_ms >= *claims.not_before_ms);
  SLUICE_CHECK((why == nullptr) == in_time);
  const char* const laxly = check_jwt_claims(claims, {{}, {}, UINT32_MAX}, now_ms);
  SLUICE_CHECK(why != nullptr || laxly == nullptr);
}

void check_token(std::string_view token) {
  Jwt jwt;
  if (parse_jwt(token, jwt) != nullptr) return;
  SLUICE_CHECK(std::count(token.begin(), token.end(), '.') == 2);
  SLUICE_CHECK(std::string(jwt.signed_text) + "." + encoded(jwt.signature) == token);
  SLUICE_CHECK(jwt.payload.data() + jwt.payload.size() ==
               jwt.signed_text.data() + jwt.signed_text.size());
  for (const JwtKey& key : keys()) SLUICE_CHECK(!key.verify(jwt.signed_text, jwt.signature));
  check_claims(jwt.payload);
}

void check_key_set(std::string_view text) {
  JwkSet set;
  if (!parse_jwk_set(text, set)) return;
  for (const Jwk& key : set.keys) {
    static_cast<void>(JwtKey::from_secret(key.secret).ok());
    static_cast<void>(JwtKey::from_rsa(key.modulus, key.exponent).ok());
    static_cast<void>(JwtKey::from_p256(key.x, key.y).ok());
    static_cast<void>(JwtKey::from_ed25519(key.x).ok());
  }
}

// By its first byte an input is a token, its header, its claims, or a key set.
void run(const uint8_t* data, size_t size) {
  Input input(data, size);
  const uint8_t kind = input.byte();
  const std::string_view text = text_of(input.rest());
  const std::optional<std::string> decoded = decode_base64url(text);
  if (decoded) SLUICE_CHECK(encoded(*decoded) == text);
  switch (kind) {
    case 'h':
      return check_token(encoded(text) + ".e30." + encoded(text));
    case 'c':
      check_claims(encoded(text));
      return check_json(text);
    case 'k':
      return check_key_set(text);
    default:
      return check_token(text);
  }
}

}  // namespace

}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::run(data, size);
  return 0;
}
