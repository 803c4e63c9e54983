// Signatures before claims: what nobody has signed is not parsed but for its header.
#include "core/session/jwt_check.h"

#include <algorithm>
#include <string>

#include "protocol/ascii.h"
#include "protocol/parameters.h"
#include "tls/jwt_keys.h"

namespace sluice {

namespace {

constexpr const char* no_token = "no token";
constexpr const char* unknown_algorithm = "token's algorithm has no key";
constexpr const char* unknown_key = "token names a key that is not known";
constexpr const char* bad_signature = "token's signature is bad";

// RFC 6750 3: who brought none is told nothing more.
Refusal refusal_for(const char* reason) {
  Refusal refusal{401, reason};
  refusal.challenge = reason == no_token ? "Bearer" : "Bearer error=\"invalid_token\"";
  return refusal;
}

// Two fields, as no client sends them, are taken for a token that none is.
std::optional<std::string> bearer_token(const Head& head) {
  constexpr std::string_view scheme = "bearer ";
  const std::string_view* const field = head.find("Authorization");
  if (field == nullptr) return std::nullopt;
  if (head.count("Authorization") > 1) return "";
  if (lower_case(field->substr(0, scheme.size())) != scheme) return std::nullopt;
  return std::string(without_blanks(field->substr(scheme.size())));
}

std::optional<std::string> cookie_token(const Head& head, std::string_view wanted) {
  std::optional<std::string> token;
  for (const HeaderField& field : head.fields) {
    if (!equals_ignoring_case(field.name, "Cookie")) continue;
    for_each_cookie(field.value, [&](std::string_view name, std::string_view value) {
      if (!token && name == wanted) token = value;
    });
  }
  return token;
}

std::optional<std::string> query_token(std::string_view query, std::string_view wanted) {
  if (!query.empty()) query.remove_prefix(1);  // its '?'
  std::optional<std::string> token;
  for_each_parameter(query, [&](std::string_view name, std::string_view value) {
    if (!token && decoded_parameter(name) == wanted) token = decoded_parameter(value);
  });
  return token;
}

std::optional<std::string> subprotocol_token(const UpgradeRequest& request,
                                             std::string_view prefix) {
  const auto found =
      std::find_if(request.protocols.begin(), request.protocols.end(),
                   [prefix](std::string_view each) { return each.starts_with(prefix); });
  if (found == request.protocols.end()) return std::nullopt;
  return std::string(found->substr(prefix.size()));
}

std::optional<std::string> find_token(const JwtPlace& place, const Head& head,
                                      const UpgradeRequest& request) {
  switch (place.kind) {
    case JwtPlace::Kind::bearer:
      return bearer_token(head);
    case JwtPlace::Kind::cookie:
      return cookie_token(head, place.name);
    case JwtPlace::Kind::query:
      return query_token(request.target.query, place.name);
    case JwtPlace::Kind::subprotocol:
      return subprotocol_token(request, place.name);
  }
  return std::nullopt;
}

// Null, or why no key has signed it.
const char* verify(const Jwt& jwt, const std::vector<JwtKeyRef>& keys) {
  const std::optional<JwtAlgorithm> algorithm = jwt_algorithm(jwt.algorithm);
  const char* why = unknown_algorithm;
  for (const JwtKeyRef& key : keys) {
    if (key->algorithm() != algorithm) continue;
    if (!key->answers_to(jwt.key_id)) {
      if (why == unknown_algorithm) why = unknown_key;
      continue;
    }
    if (key->verify(jwt.signed_text, jwt.signature)) return nullptr;
    why = bad_signature;
  }
  return why;
}

const char* judge(const JwtSettings& settings, std::string_view token, int64_t wall_ms,
                  JwtClaims& claims) {
  Jwt jwt;
  if (const char* const why = parse_jwt(token, jwt)) return why;
  if (const char* const why = verify(jwt, settings.jwt_keys)) return why;
  if (const char* const why = read_jwt_claims(jwt.payload, claims)) return why;
  return check_jwt_claims(
      claims, {settings.jwt_issuers, settings.jwt_audiences, settings.jwt_leeway_ms}, wall_ms);
}

}  // namespace

bool carries_jwt(const JwtSettings& settings, std::string_view offered) {
  return std::any_of(
      settings.jwt_places.begin(), settings.jwt_places.end(), [offered](const JwtPlace& place) {
        return place.kind == JwtPlace::Kind::subprotocol && offered.starts_with(place.name);
      });
}

std::optional<Refusal> check_jwt(const JwtSettings& settings, const RequestHead& head,
                                 const UpgradeRequest& request, int64_t wall_ms,
                                 VerifiedJwt& verified) {
  std::optional<std::string> token;
  for (const JwtPlace& place : settings.jwt_places) {
    if (!token) token = find_token(place, head, request);
  }
  if (!token) return refusal_for(no_token);
  if (const char* const why = judge(settings, *token, wall_ms, verified.claims)) {
    return refusal_for(why);
  }
  if (verified.claims.expires_ms) {
    verified.ends_in_ms =
        static_cast<uint64_t>(*verified.claims.expires_ms + settings.jwt_leeway_ms - wall_ms);
  }
  return std::nullopt;
}

}  // namespace sluice
