// Numbers for people who read logs and confs.
#pragma once

#include <cstdint>
#include <string>

namespace sluice {

// As a conf spells a size: "256k", "16m"; "1000" where nothing larger fits.
std::string size_text(uint64_t bytes);
// Groups digits in threes, because its reader looks for what is too large: "131,072".
std::string grouped_text(uint64_t number);

}  // namespace sluice
