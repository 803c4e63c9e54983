// SessionContext: what a session lends to its Exchange and the parts of it. They know no session.
#pragma once

#include <cstdint>
#include <string>

#include "core/config.h"
#include "core/session/client_address.h"
#include "core/session/handshake_trace.h"
#include "core/session/leg.h"
#include "core/session/one_timer.h"
#include "core/session/worker_context.h"

namespace sluice {

// References that outlive the exchange, and values.
struct SessionContext {
  WorkerContext& worker;
  const Config& config;  // the snapshot that the session began with
  const ListenConfig& listener;
  ClientAddress& client_address;  // the connection's, until a trusted proxy names another one
  Leg& client;
  Leg& upstream;
  OneTimer& timer;
  Handle self;  // finds the session
  uint64_t id;
  uint64_t opened_ms;               // by the reactor's clock
  HandshakeTrace* trace = nullptr;  // null: nobody observes this handshake

  std::string id_text() const { return worker.id_text(id); }
  uint64_t now_ms() const { return worker.reactor.now_ms(); }
  // Replaces the session's one timer.
  void arm(uint64_t delay_ms) const { timer.arm(worker.reactor, worker.handler, self, delay_ms); }
  // Leg::open; false, with a line in the log, where the poller has no room for it.
  [[nodiscard]] bool open(Side side, int fd) const {
    Leg& leg = side == Side::client ? client : upstream;
    const Status opened = leg.open(worker.reactor, fd, {worker.handler, self, index_of(side)});
    if (!opened.ok()) worker.log.recurring(LogLevel::error, "watch", opened.fault().text());
    return opened.ok();
  }
};

}  // namespace sluice
