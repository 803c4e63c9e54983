// SessionExtras: what a session keeps only where its route or the access log's format asks for it.
#pragma once

#include <cstdint>
#include <memory>

#include "core/session/log_memory.h"
#include "core/session/own_ping.h"
#include "core/session/rate_bucket.h"

namespace sluice {

// What is left to each side, by its index.
struct SessionRates {
  RateBucket messages[2];
  RateBucket bytes[2];
};

// What fewer sessions have than pings of the proxy's own.
struct RareExtras {
  std::unique_ptr<SessionRates> rates;  // null: nothing is limited
  std::unique_ptr<LogMemory> log;       // null: the access log's format wants nothing of it
  uint64_t token_ends_ms = 0;           // by the reactor's clock; 0: no token expires
};

struct SessionExtras {
  // Null where there are none.
  SessionRates* rates() const { return rare != nullptr ? rare->rates.get() : nullptr; }
  LogMemory* log() const { return rare != nullptr ? rare->log.get() : nullptr; }
  // 0 where none does.
  uint64_t token_ends_ms() const { return rare != nullptr ? rare->token_ends_ms : 0; }
  // Where they are put. Throws std::bad_alloc.
  RareExtras& room() {
    if (rare == nullptr) rare = std::make_unique<RareExtras>();
    return *rare;
  }

  OwnPing pings[2];                  // toward each side, by its index
  uint32_t timer_due_ms = 0;         // of the session's timer, on the clock's low 32 bits
  std::unique_ptr<RareExtras> rare;  // one pointer, since sessions with pings are many
};
static_assert(sizeof(SessionExtras) <= 72);

}  // namespace sluice
