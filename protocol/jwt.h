// JSON Web Tokens in the compact form of a JWS (RFC 7515, RFC 7519, with RFC 8725's care): their
// parts, and what their claims say. Pure; signatures are verified elsewhere (tls/jwt_keys.h), and
// between the two steps here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

// Why a token is refused; static texts for the log.
inline constexpr const char* jwt_malformed = "token is no JWS in compact form";
inline constexpr const char* jwt_bad_header = "token's header is malformed";
inline constexpr const char* jwt_critical = "token has crit, and no extension is known here";
inline constexpr const char* jwt_bad_claims = "token's claims are malformed";
inline constexpr const char* jwt_expired = "token has expired";
inline constexpr const char* jwt_not_yet = "token is not valid yet";
inline constexpr const char* jwt_wrong_issuer = "token's issuer is another";
inline constexpr const char* jwt_wrong_audience = "token is for another audience";

// A header in JSON has at most so many bytes: it is read of strangers' tokens, too. Those with
// certificates in it (x5c) are within.
inline constexpr size_t most_jwt_header_bytes = 16 * 1024;

// What a token is before its signature was verified. Of the header nothing else is looked at: keys
// and addresses of keys that a token brings along (jwk, jku, x5c, x5u) are its sender's.
struct Jwt {
  std::string algorithm;              // "alg" as it stands there
  std::optional<std::string> key_id;  // "kid"; only ever compared
  std::string_view signed_text;       // of the token
  std::string_view payload;           // the same, in base64url
  std::string signature;              // in bytes
};

// Fills `jwt`, whose views are the token's. Null, or the reason of a refusal.
const char* parse_jwt(std::string_view token, Jwt& jwt);

struct JwtClaims {
  std::optional<std::string> issuer;
  std::vector<std::string> audiences;
  // Since 1970, by the wall clock; times beyond the year 280,000 are that.
  std::optional<int64_t> expires_ms;
  std::optional<int64_t> not_before_ms;
  // Claims of which a text can be made: texts, numbers, true and false as JSON spells them, and
  // lists of texts without commas, joined by commas.
  std::map<std::string, std::string, std::less<>> texts;
};

// To be called once the token's signature is known to be good. Null, or the reason of a refusal: no
// JSON object, or a registered claim of another type than RFC 7519 4.1 gives it.
const char* read_jwt_claims(std::string_view payload, JwtClaims& claims);

// What claims must say.
struct JwtDemands {
  std::span<const std::string> issuers;    // one of them; empty: any, or none
  std::span<const std::string> audiences;  // the same
  uint32_t leeway_ms = 0;                  // clocks may differ by so much
};

// Null, or the reason of a refusal.
const char* check_jwt_claims(const JwtClaims& claims, const JwtDemands& demands, int64_t now_ms);

// Of a JSON Web Key Set (RFC 7517 5): a key's members as far as they are texts, "" where they are
// not there; numbers and points in bytes.
struct Jwk {
  std::string type;  // "kty"
  std::string curve;
  std::string algorithm;
  std::string use;
  std::optional<std::string> key_id;
  std::string modulus;   // "n"
  std::string exponent;  // "e"
  std::string x;
  std::string y;
  std::string secret;  // "k"
};

// Wipes the secrets as well.
struct JwkSet {
  JwkSet() = default;
  JwkSet(const JwkSet&) = delete;
  JwkSet& operator=(const JwkSet&) = delete;
  ~JwkSet();

  std::vector<Jwk> keys;
};

// False where it is no JWK Set. A key with a malformed member is one without that member.
bool parse_jwk_set(std::string_view text, JwkSet& set);

}  // namespace sluice
