// How long a name of the DNS may be (RFC 1035 2.3.4).
#pragma once

#include <cstddef>

namespace sluice {

inline constexpr size_t most_name_text_bytes = 253;  // without the last dot
inline constexpr size_t most_name_wire_bytes = 255;

}  // namespace sluice
