// Text of a stranger's, made fit for a line of a log.
#pragma once

#include <string>
#include <string_view>

namespace sluice {

// At most 100 bytes of it, then "..."; '?' stands for each byte that is not printable ASCII.
std::string printable(std::string_view text);

}  // namespace sluice
