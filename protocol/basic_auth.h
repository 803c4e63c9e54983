// Basic authentication (RFC 7617): the user and the password of an Authorization field.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice {

struct BasicCredentials {
  std::string user;      // without a colon
  std::string password;  // a secret: never logged
};

// Of the field's value. Nothing where it is of another scheme, or what stands behind it is not
// base64 (RFC 4648 4, with its padding or without) of USER:PASSWORD, or holds a control byte (RFC
// 7617 2).
std::optional<BasicCredentials> parse_basic_credentials(std::string_view field);

}  // namespace sluice
