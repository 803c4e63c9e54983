// SessionExtras: what a session keeps only where its route asks for it.
#pragma once

#include <cstdint>
#include <memory>

#include "core/session/own_ping.h"
#include "core/session/rate_bucket.h"

namespace sluice {

// What is left to each side, by its index.
struct SessionRates {
  RateBucket messages[2];
  RateBucket bytes[2];
};

struct SessionExtras {
  OwnPing pings[2];                     // toward each side, by its index
  uint32_t timer_due_ms = 0;            // of the session's timer, on the clock's low 32 bits
  std::unique_ptr<SessionRates> rates;  // null: nothing is limited
};
static_assert(sizeof(SessionExtras) <= 72);

}  // namespace sluice
