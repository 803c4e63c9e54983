// Dial: from an upstream to one connected leg. It walks the peers in their order: connect, TLS, the
// next peer where one fails. It knows no request and no HTTP.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/config.h"
#include "core/peers/upstream.h"
#include "core/session/peer_log.h"
#include "core/session/session_context.h"
#include "protocol/handshake.h"
#include "tls/transport.h"

namespace sluice {

//   begin --> connecting --> [securing] --> connected
//                 ^---- leave, a fault, a timeout: the next peer
class Dial {
 public:
  enum class Step : uint8_t {
    wait,    // for readiness or the timer
    again,   // let others run first, then run()
    ready,   // the leg is connected to peer(), and secured where the peer's URI says wss://
    failed,  // refusal() says why; the leg is closed
  };

  // `lent` and `route` outlive this.
  Dial(const SessionContext& lent, const RouteConfig& route);

  Step begin();
  // The upstream leg is ready, or others had their turn.
  Step run();
  // The time is over that the latest peer had: connect_timeout, then handshake_timeout, which goes
  // on after `ready` until there is an answer.
  Step on_timer();
  // The peer failed after `ready` and before anything that a client could have been told was lost:
  // the next one is asked as this one was. `what` is for the log, `reason` static text.
  Step leave(std::string_view what, const char* reason);
  bool has_next() const { return upstream().has_next(walk_); }

  // The latest peer dialled, good until the next one is; null before the first.
  const Peer* peer() const { return peer_.get(); }
  const Refusal& refusal() const { return refusal_; }
  // PeerLog::tell about that peer.
  void log(LogLevel level, const char* kind, std::string_view what) const {
    log_.tell(*peer_, level, kind, what);
  }

 private:
  enum class Stage : uint8_t { connecting, securing, connected };

  // Looked up anew each time: another Config may have put another one in its place.
  Upstream& upstream() const { return lent_.worker.upstreams.at(route_.upstream); }
  Step connect_next();
  Step on_connected();
  Step secure();
  Step fail(Refusal refusal);
  void note_failure(std::string_view what, const char* reason);

  const SessionContext& lent_;
  const RouteConfig& route_;
  const UpstreamConfig& config_;
  PeerLog log_;
  PeerWalk walk_;
  PeerUse peer_;
  TlsTransport* tls_ = nullptr;    // the leg's, while securing
  const char* failure_ = nullptr;  // why the latest peer failed; static text
  const char* timeout_ = nullptr;  // the directive that the latest late one was too slow for
  std::string limit_;              // the same with its time
  Refusal refusal_;
  Stage stage_ = Stage::connecting;
};

}  // namespace sluice
