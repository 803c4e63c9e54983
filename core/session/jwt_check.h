// The token that a route demands: found in the request, verified, and its claims checked.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/jwt_settings.h"
#include "protocol/handshake.h"
#include "protocol/head.h"
#include "protocol/jwt.h"

namespace sluice {

// What a token showed.
struct VerifiedJwt {
  JwtClaims claims;
  // When it expires, leeway included, in milliseconds after it was checked; nothing: it does not.
  std::optional<uint64_t> ends_in_ms;
};

// Whether an offered subprotocol is one that carries a token, and none to be spoken.
bool carries_jwt(const JwtSettings& settings, std::string_view offered);

// Fills `verified`, or answers 401 (RFC 6750 3): which check failed stands in its reason, nothing
// of the token anywhere. `wall_ms`: since 1970. `settings` want a token.
std::optional<Refusal> check_jwt(const JwtSettings& settings, const RequestHead& head,
                                 const UpgradeRequest& request, int64_t wall_ms,
                                 VerifiedJwt& verified);

}  // namespace sluice
