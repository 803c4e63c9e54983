// base64url (RFC 4648 5) as JOSE has it (RFC 7515 2): without padding. One spelling for each text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice {

// Nothing where a byte is none of the alphabet, '=' included, or bits are left over that are not
// zero: two spellings of one text are none.
std::optional<std::string> decode_base64url(std::string_view text);

}  // namespace sluice
