// Prefaces: what comes before a first request where the client takes the port for another one.
#pragma once

#include <string_view>

namespace sluice {

// What some clients speak where HTTP is spoken, by the first bytes of a connection (at least one),
// in the words of the log: static text, or nullptr where they may be HTTP.
const char* foreign_preface(std::string_view first);

}  // namespace sluice
