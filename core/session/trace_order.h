// TraceOrder: which of the next handshakes whoever runs sluice wants to see, and how many.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/ids.h"

namespace sluice {

// All that is named must be so of a handshake; what is empty may be anything.
struct TraceOrder {
  uint32_t number = 0;      // the master's, from 1 on
  uint32_t handshakes = 0;  // after so many a worker is done with it
  uint32_t lines = 0;       // that a worker keeps at most, of all that it observes
  uint64_t until_ms = 0;    // by the monotonic clock: then the order is void
  std::string client;       // with or without its port
  std::string route;        // its path in the conf
  std::string host;         // without port, in lower case
  std::string path;         // that the request's is, or lies under, in normal form
  std::optional<UpstreamId> upstream;
  std::optional<ListenerId> listener;
};

}  // namespace sluice
