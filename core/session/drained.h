// Drained: which parts of a sluice get no new sessions, because they are drained. One a worker; the
// same parts at all of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/config.h"
#include "core/ids.h"
#include "core/observe/counters.h"
#include "protocol/close_code.h"
#include "protocol/handshake.h"

namespace sluice {

// What can be drained. It is named so that it stays the same over confs and processes.
struct Part {
  enum class Kind : uint8_t { everything, upstream, server, route, listener };

  Kind kind = Kind::everything;
  UpstreamId upstream{};  // of an upstream, and of a server of one
  ListenerId listener{};
  std::string text;  // a route's path, a server's URI

  bool operator==(const Part&) const = default;
};

// A part that is drained until its order is there no more. Given by the master.
struct DrainOrder {
  uint32_t number = 0;  // from 1 on, of no other order before or after
  uint8_t place = 0;    // in WorkerRow::drains
  Part part;
  uint64_t window_ms = 0;  // its sessions are ended over that, from the order's arrival on
  CloseCode code = CloseCode::going_away;
};

class Drained {
 public:
  void use(std::vector<Part> parts) { parts_ = std::move(parts); }
  // Why a request that takes that route gets no session; nothing where it may have one.
  std::optional<Refusal> refusal(const RouteConfig& route) const;
  // The same for clients of a listener, null where they may have one. It lasts for good.
  const Refusal* refusal(ListenerId listener) const;

 private:
  std::vector<Part> parts_;
};

}  // namespace sluice
