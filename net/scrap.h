// The scrap: memory for bytes that are read to be dropped. Nobody looks at it.
#pragma once

#include <cstdint>

namespace sluice {

inline uint8_t scrap[64 * 1024];

}  // namespace sluice
