// Which certificate's name fits the name that a client asks for (SNI, RFC 6066 section 3).
#pragma once

#include <string_view>

namespace sluice {

// `pattern` is a certificate's name in lower case; "*.example.org" stands for one label before it
// (RFC 6125 6.4.3). `name` is in any case, with or without a final dot.
bool server_name_matches(std::string_view pattern, std::string_view name);

}  // namespace sluice
