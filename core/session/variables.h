// Variables: what $remote_addr and its kin stand for in one request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/header_value.h"
#include "protocol/handshake.h"
#include "protocol/jwt.h"
#include "tls/transport.h"

namespace sluice {

// All views and pointers belong to the caller and outlive its calls.
struct RequestFacts {
  const Head* head = nullptr;
  const UpgradeRequest* request = nullptr;
  std::string_view remote_addr;  // "" where the client has none (a unix socket)
  uint16_t remote_port = 0;      // 0 where it has none
  std::string_view scheme;       // "http" or "https"
  std::string_view request_id;
  std::string_view remote_user = {};  // "" where no password was asked for
  const TlsTransport* tls = nullptr;  // null: the client speaks no TLS
  const Head* authorized = nullptr;   // what the authorizer answered; null: nobody was asked
  const JwtClaims* claims = nullptr;  // of its token; null: none is demanded
};

// Nothing where the variable has no value: a field or cookie that did not come, no certificate, no
// TLS, no such claim. `name` is that of $http_NAME and $auth_http_NAME (where '_' stands for '-'),
// $cookie_NAME, $query_NAME and $jwt_claim_NAME. Fields that came several times are joined, by "; "
// in Cookie and by ", " else (RFC 9110 5.3, RFC 9113 8.2.3).
std::optional<std::string> value_of(Variable variable, std::string_view name,
                                    const RequestFacts& facts);

// Whether $http_NAME with that NAME stands for such a field.
bool names_field(std::string_view name, std::string_view field);

}  // namespace sluice
