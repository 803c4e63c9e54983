// A member of the wrong type is an error where it decides something, and else is not looked at.
#include "protocol/jwt.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "protocol/base64url.h"
#include "protocol/strict_json.h"

namespace sluice {

namespace {

using nlohmann::json;

// Far from where milliseconds, or what is added to them, would overflow.
constexpr double most_ms = 8.64e18 / 1000;

// Null where there is none of that name.
const json* find(const json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

const std::string* find_text(const json& object, const char* name) {
  const json* const member = find(object, name);
  return member == nullptr ? nullptr : member->get_ptr<const std::string*>();
}

// False where it is there and no number (RFC 7519 2, NumericDate: in seconds, perhaps with a
// fraction).
bool read_time(const json& claims, const char* name, std::optional<int64_t>& time_ms) {
  const json* const member = find(claims, name);
  if (member == nullptr) return true;
  if (!member->is_number()) return false;
  time_ms = static_cast<int64_t>(std::clamp(member->get<double>() * 1000, -most_ms, most_ms));
  return true;
}

// The same: a text, or several (RFC 7519 4.1.3).
bool read_audiences(const json& claims, std::vector<std::string>& audiences) {
  const json* const member = find(claims, "aud");
  if (member == nullptr) return true;
  if (const auto* const one = member->get_ptr<const std::string*>()) audiences.push_back(*one);
  if (!member->is_array()) return member->is_string();
  for (const json& each : *member) {
    if (!each.is_string()) return false;
    audiences.push_back(*each.get_ptr<const std::string*>());
  }
  return true;
}

// Nothing where two lists could look the same.
std::optional<std::string> joined(const json& list) {
  std::string all;
  for (const json& each : list) {
    const auto* const text = each.get_ptr<const std::string*>();
    if (text == nullptr || text->empty() || text->find(',') != std::string::npos)
      return std::nullopt;
    if (!all.empty()) all += ',';
    all += *text;
  }
  return all;
}

std::optional<std::string> text_of(const json& claim) {
  if (const auto* const text = claim.get_ptr<const std::string*>()) return *text;
  if (claim.is_array()) return joined(claim);
  if (claim.is_number() || claim.is_boolean()) return claim.dump();
  return std::nullopt;
}

std::string text_or_nothing(const json& object, const char* name) {
  const std::string* const text = find_text(object, name);
  return text == nullptr ? "" : *text;
}

std::string bytes_or_nothing(const json& object, const char* name) {
  const std::string* const text = find_text(object, name);
  return text == nullptr ? "" : decode_base64url(*text).value_or("");
}

}  // namespace

const char* parse_jwt(std::string_view token, Jwt& jwt) {
  const size_t first = token.find('.');
  const size_t second = token.find('.', first == std::string_view::npos ? first : first + 1);
  if (second == std::string_view::npos) return jwt_malformed;
  const std::string_view header = token.substr(0, first);
  if (header.size() / 4 * 3 > most_jwt_header_bytes) return jwt_bad_header;
  const std::optional<std::string> text = decode_base64url(header);
  // A third dot, as in a JWE (RFC 7516 3.1), is no digit.
  std::optional<std::string> signature = decode_base64url(token.substr(second + 1));
  if (!text || !signature) return jwt_malformed;
  const std::optional<json> members = parse_json_object(*text);
  if (!members) return jwt_bad_header;
  if (find(*members, "crit") != nullptr) return jwt_critical;
  const std::string* const algorithm = find_text(*members, "alg");
  const std::string* const key_id = find_text(*members, "kid");
  if (algorithm == nullptr || (key_id == nullptr && find(*members, "kid") != nullptr)) {
    return jwt_bad_header;
  }
  jwt.algorithm = *algorithm;
  jwt.key_id = key_id != nullptr ? std::optional(*key_id) : std::nullopt;
  jwt.signed_text = token.substr(0, second);
  jwt.payload = token.substr(first + 1, second - first - 1);
  jwt.signature = std::move(*signature);
  return nullptr;
}

const char* read_jwt_claims(std::string_view payload, JwtClaims& claims) {
  const std::optional<std::string> text = decode_base64url(payload);
  if (!text) return jwt_bad_claims;
  const std::optional<json> members = parse_json_object(*text);
  if (!members) return jwt_bad_claims;
  const json* const issuer = find(*members, "iss");
  if (issuer != nullptr && !issuer->is_string()) return jwt_bad_claims;
  if (issuer != nullptr) claims.issuer = *issuer->get_ptr<const std::string*>();
  if (!read_audiences(*members, claims.audiences) ||
      !read_time(*members, "exp", claims.expires_ms) ||
      !read_time(*members, "nbf", claims.not_before_ms)) {
    return jwt_bad_claims;
  }
  for (const auto& [name, claim] : members->items()) {
    if (std::optional<std::string> told = text_of(claim)) claims.texts.emplace(name, *told);
  }
  return nullptr;
}

const char* check_jwt_claims(const JwtClaims& claims, const JwtDemands& demands, int64_t now_ms) {
  const int64_t leeway_ms = demands.leeway_ms;
  if (claims.expires_ms && now_ms >= *claims.expires_ms + leeway_ms) return jwt_expired;
  if (claims.not_before_ms && now_ms + leeway_ms < *claims.not_before_ms) return jwt_not_yet;
  const auto wanted = [](std::span<const std::string> all, const std::string& one) {
    return std::find(all.begin(), all.end(), one) != all.end();
  };
  if (!demands.issuers.empty() && !(claims.issuer && wanted(demands.issuers, *claims.issuer))) {
    return jwt_wrong_issuer;
  }
  if (!demands.audiences.empty() &&
      std::none_of(claims.audiences.begin(), claims.audiences.end(),
                   [&](const std::string& each) { return wanted(demands.audiences, each); })) {
    return jwt_wrong_audience;
  }
  return nullptr;
}

JwkSet::~JwkSet() {
  for (Jwk& key : keys) OPENSSL_cleanse(key.secret.data(), key.secret.size());
}

bool parse_jwk_set(std::string_view text, JwkSet& set) {
  const std::optional<json> members = parse_json_object(text);
  if (!members) return false;
  const json* const keys = find(*members, "keys");
  if (keys == nullptr || !keys->is_array()) return false;
  set.keys.reserve(keys->size());  // a secret that moves would leave a copy
  for (const json& each : *keys) {
    if (!each.is_object()) return false;
    Jwk& key = set.keys.emplace_back();
    key.type = text_or_nothing(each, "kty");
    key.curve = text_or_nothing(each, "crv");
    key.algorithm = text_or_nothing(each, "alg");
    key.use = text_or_nothing(each, "use");
    if (const std::string* const id = find_text(each, "kid")) key.key_id = *id;
    key.modulus = bytes_or_nothing(each, "n");
    key.exponent = bytes_or_nothing(each, "e");
    key.x = bytes_or_nothing(each, "x");
    key.y = bytes_or_nothing(each, "y");
    key.secret = bytes_or_nothing(each, "k");
  }
  return true;
}

}  // namespace sluice
