// ConfResolver: whether routes that want a token can verify one, and keys that nobody asks.
#include <algorithm>

#include "core/conf/resolve.h"
#include "core/conf/rows.h"
#include "protocol/ascii.h"

namespace sluice {

namespace {

bool asks_for_claims(const HeaderValue& value) {
  const auto& pieces = value.pieces();
  return std::any_of(pieces.begin(), pieces.end(),
                     [](const auto& piece) { return piece.variable == Variable::jwt_claim; });
}

}  // namespace

void ConfResolver::check_jwt(const SectionDraft& section, const RouteConfig& route) {
  const SectionDraft& top = draft_.top();
  if (route.by && asks_for_claims(route.by->value)) {
    errors_.add(section.given.at(&directive::upstream_by),
                "upstream_by: a token is looked at when the upstream is known, so $jwt_claim_NAME "
                "cannot choose it; it may stand in set_header");
  }
  const auto own_key = section.given.find(&directive::auth_jwt_key);
  const bool own = own_key != section.given.end();
  if (!route.wants_jwt()) {
    if (!own || section.given.count(&directive::auth_jwt) > 0) return;
    // Where no auth_jwt stands before the first section either, or its line was wrong.
    if (top.given.count(&directive::auth_jwt) > 0) return;
    warnings_.push_back(text_at(own_key->second,
                                "auth_jwt_key has no effect without auth_jwt, which says where "
                                "the token is; anybody may come here"));
    return;
  }
  top_jwt_keys_used_ = top_jwt_keys_used_ || !own;
  if (!own && top.given.count(&directive::auth_jwt_key) == 0 && !draft_.incomplete) {
    const auto here = section.given.find(&directive::auth_jwt);
    errors_.add(
        here != section.given.end() ? here->second : top.given.at(&directive::auth_jwt),
        "auth_jwt: " + described(section) +
            " has no auth_jwt_key to verify a token with; write auth_jwt_key jwks FILE, or one of "
            "HS256, RS256, ES256 and EdDSA with its key's file");
  }
  std::vector<std::string>& masked = draft_.config.masked_parameters;
  for (const JwtPlace& place : route.jwt_places) {
    if (place.kind != JwtPlace::Kind::query) continue;
    const std::string name = lower_case(place.name);
    const auto at = std::lower_bound(masked.begin(), masked.end(), name);
    if (at == masked.end() || *at != name) masked.insert(at, name);
  }
}

void ConfResolver::warn_of_unused_jwt_keys(SectionDraft& section) {
  if (section.kind() != Section::top || top_jwt_keys_used_ || draft_.incomplete) return;
  const auto given = section.given.find(&directive::auth_jwt_key);
  if (given == section.given.end()) return;
  warnings_.push_back(text_at(given->second,
                              "auth_jwt_key is used by no route: none has auth_jwt without a key "
                              "of its own"));
}

}  // namespace sluice
