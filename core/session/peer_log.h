// PeerLog: lines about what a peer of an upstream does wrong. They are the operator's to mend, and
// the access log may be off: each names the upstream, the peer and the session.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/config.h"
#include "core/session/handshake_trace.h"
#include "core/session/worker_context.h"

namespace sluice {

// References outlive the calls.
struct PeerLog {
  const WorkerContext& worker;
  const UpstreamConfig& upstream;
  const char* whose;                // "request", or "session" once it relays
  uint64_t id;                      // of the session
  HandshakeTrace* trace = nullptr;  // is told the same, at every level; null: there is none

  // `kind` is static text: lines of one kind about one peer are bounded (Log::recurring). The
  // peer's own words stand in `what` alone.
  void tell(const Peer& peer, LogLevel level, const char* kind, std::string_view what) const;
};

}  // namespace sluice
