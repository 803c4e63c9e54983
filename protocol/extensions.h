// Offers of permessage-deflate (RFC 7692 section 7.1): which are well-formed. Only those travel
// upstream; what the endpoints make of their parameters is theirs.
#pragma once

#include <string_view>

namespace sluice {

// True where an element of Sec-WebSocket-Extensions names permessage-deflate, whatever its
// parameters are.
bool names_deflate(std::string_view extension);

// The judge of every offer: permessage-deflate with parameters that an offer may have, each once,
// with values as RFC 7692 7.1.1 and 7.1.2 define them. A server must decline any other one.
bool deflate_offer_valid(std::string_view extension);

}  // namespace sluice
