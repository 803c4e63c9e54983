// HealthCheck: one look at whether a peer is well, from its connect to what came of it. It keeps no
// count and no clock; who makes it times it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "core/config.h"
#include "core/peers/peer_board.h"
#include "core/session/forward.h"
#include "core/session/leg.h"
#include "core/session/outgoing.h"
#include "net/reactor.h"
#include "tls/transport.h"

namespace sluice {

// Whom a check asks, and what.
struct CheckTarget {
  Address address;
  ServerUri uri;
  TlsClientRef tls;  // of wss:// peers
  CheckSettings settings;

  bool operator==(const CheckTarget&) const = default;
};

// "health_check http /healthz": as a conf says it, without its options.
std::string check_text(const CheckTarget& target);

//   begin --> connecting --> [introducing] --> [securing] --> [asking] --> [leaving] --> passed
//                  any before `leaving`: failed
class HealthCheck {
 public:
  enum class Step : uint8_t {
    wait,    // for readiness or the timer
    again,   // let others run first, then run()
    passed,  // the peer is well; the connection is closed, as behind the next two
    failed,  // fault() and why() say how
    unable,  // it was not asked, for a lack of our own: why() names it
  };

  // The reactor and the target outlive this. `watch`: whom the reactor calls, who then calls
  // note() and run().
  HealthCheck(Reactor& reactor, const Watch& watch, const CheckTarget& target);
  HealthCheck(const HealthCheck&) = delete;
  HealthCheck& operator=(const HealthCheck&) = delete;
  ~HealthCheck();

  // Calls may throw std::bad_alloc; the check is good for nothing but its end then.
  Step begin();
  void note(Readiness ready) { leg_.note(ready); }
  Step run();
  // CheckSettings::timeout_ms is over.
  Step on_timeout();

  PeerFault fault() const { return fault_; }
  const std::string& why() const { return why_; }

 private:
  enum class Stage : uint8_t { connecting, introducing, securing, asking, leaving };

  Step on_connected();
  Step introduce();
  Step secure();
  Step ask();
  std::string request();
  std::string upgrade_request();
  Step take_answer();
  Step take_upgrade();
  Step leave();
  Step part();
  Step pass();
  Step fail(PeerFault fault, std::string why);

  Reactor& reactor_;
  const Watch watch_;
  const CheckTarget& target_;
  TlsSessionSlot tls_session_;  // empty, so that certificates are verified each time
  Leg leg_;
  TlsTransport* tls_ = nullptr;  // the leg's
  Outgoing introduction_;        // the PROXY header
  std::string key_;              // of the handshake
  std::optional<Forward> forward_;
  Outgoing last_word_;
  size_t dropped_bytes_ = 0;
  Stage stage_ = Stage::connecting;
  PeerFault fault_ = PeerFault::none;
  std::string why_;
};

}  // namespace sluice
