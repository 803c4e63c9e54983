// What a route demands of the JSON Web Token that must come with a request (auth_jwt and its kin).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tls/jwt_keys.h"

namespace sluice {

// A place of a request where its token may be.
struct JwtPlace {
  enum class Kind : uint8_t {
    bearer,       // Authorization: Bearer (RFC 6750 2.1)
    cookie,       // of that name
    query,        // the parameter of that name
    subprotocol,  // behind that prefix of an offered one, which is none then
  };

  Kind kind = Kind::bearer;
  std::string name = {};

  bool operator==(const JwtPlace&) const = default;
};

// Keys that a token without a name of one may mean are all tried: each costs up to 0.1 ms.
inline constexpr size_t most_jwt_keys = 32;

struct JwtSettings {
  std::vector<JwtPlace> jwt_places;  // the first one that has a token counts; empty: none is wanted
  std::vector<JwtKeyRef> jwt_keys;   // not empty where one is wanted; secrets: never logged
  std::vector<std::string> jwt_issuers;    // one of them; empty: any
  std::vector<std::string> jwt_audiences;  // the same
  uint32_t jwt_leeway_ms = 5'000;
  uint16_t jwt_close_code = 1008;  // of the Close when the token has expired

  bool wants_jwt() const { return !jwt_places.empty(); }
};

}  // namespace sluice
