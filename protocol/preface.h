// Prefaces: what comes before a first request where the client takes the port for another one.
#pragma once

#include <string_view>

namespace sluice {

// What some clients speak where HTTP is spoken, by the first bytes of a connection (at least one),
// in the words of the log: static text, or nullptr where they may be HTTP.
const char* foreign_preface(std::string_view first);

// What a client's HTTP/2 connection begins with (RFC 9113 3.4).
inline constexpr std::string_view http2_preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

}  // namespace sluice
