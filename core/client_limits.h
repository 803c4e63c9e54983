// What `limit_connections` and `limit_handshakes` say, once they are read.
#pragma once

#include <cstdint>

namespace sluice {

// At a time, over all workers; 0: unlimited.
struct ConnectionLimits {
  static constexpr uint32_t most = 1'000'000;

  uint32_t per_client = 0;
  uint32_t per_route = 0;

  bool operator==(const ConnectionLimits&) const = default;
  bool given() const { return per_client != 0 || per_route != 0; }
};

// So many in a period, and so many at once after a pause, over all workers; 0: unlimited.
struct ClientRate {
  uint32_t count = 0;
  uint32_t period_s = 1;
  uint32_t burst = 0;  // at least 1 where there is a count

  bool operator==(const ClientRate&) const = default;
  uint64_t interval_ns() const { return uint64_t{period_s} * 1'000'000'000 / count; }
};

}  // namespace sluice
