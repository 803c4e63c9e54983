// What spreads questions over time: no worker of many asks with the others.
#pragma once

#include <cstdint>

#include "net/sys.h"

namespace sluice {

// From 0 to `most`, evenly enough for times.
inline uint64_t random_up_to(uint64_t most) {
  uint64_t random = 0;
  sys::random_bytes(&random, sizeof random);
  return random % (most + 1);
}

}  // namespace sluice
