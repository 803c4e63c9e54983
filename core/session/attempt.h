// Attempt: one try to get connected to one peer: TCP or a unix socket, then TLS where the peer's
// URI says wss://; or a stream of an HTTP/2 connection to it. It tells the peer's health how it
// went, and knows no other peer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/config.h"
#include "core/peers/upstream.h"
#include "core/session/http2_peers.h"
#include "core/session/outgoing.h"
#include "core/session/peer_log.h"
#include "core/session/session_context.h"
#include "net/result.h"
#include "tls/transport.h"

namespace sluice {

//   begin --> connecting --> [introducing: the preamble] --> [securing] --> connected
//        \--> joining (a connection of HTTP/2 that others share) --> connected, or connecting
class Attempt {
 public:
  enum class Step : uint8_t {
    wait,    // for readiness or the deadline
    again,   // let others run first, then run()
    ready,   // the leg is connected to peer(), and secured where its URI says wss://
    failed,  // failure() says why; the peer's health was told, and the log
  };

  // All outlive this. `leg` is watched as that number of the session. `preamble` goes to the peer
  // before everything else; "": nothing does.
  Attempt(const SessionContext& lent, const RouteConfig& route, Leg& leg, unsigned number,
          const std::string& preamble);
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;
  // A try that nobody awaits any more has found out nothing.
  ~Attempt();

  // The leg is closed first. `probing`: the peer is out, and nobody else finds out whether it still
  // is (claim_probe).
  Step begin(PeerId peer, bool probing);
  // Goes on with a connection to that peer on which another request was answered. The leg is closed
  // first. False: none was kept.
  [[nodiscard]] bool reuse(PeerId peer);
  // Keeps the connection, on which all was answered, for another request. The leg is not open
  // afterwards.
  void keep() noexcept;
  Step run();
  // Goes on where `other` is; that one is over then. False, with a line in the
  // log, where the poller has no room.
  [[nodiscard]] bool take_over(Attempt& other);
  // The deadline has come; returns the text of the time that was too short, as the log has it.
  std::string time_out();

  // By the reactor's clock, of the stage that it is in; once connected of the answer.
  uint64_t deadline_ms() const { return deadline_ms_; }
  bool connected() const { return stage_ == Stage::connected; }
  // What is asked is a WebSocket; to be called before the first begin().
  void ask_for_websocket() { websocket_ = true; }
  // By reuse().
  bool reused() const { return reused_; }
  // The directive that deadline_ms() is of.
  const char* time_limit() const { return connects() ? "connect_timeout" : route_.answer_limit; }
  // The peer, good until the next begin(); null before the first.
  const Peer* peer() const { return peer_.get(); }
  // After `failed`: static text.
  const char* failure() const { return failure_; }
  // After `failed`: it was for want of a descriptor of ours.
  bool lacked_descriptor() const { return lacked_descriptor_; }

  // The peer failed. `what` is for the log, `reason` static text.
  void note_failure(PeerFault fault, std::string_view what, const char* reason);
  // The same, where the log was told.
  void note_fault(PeerFault fault);
  // The peer answered, as it should or with a refusal of its own.
  void note_answer();
  // PeerLog::tell about the peer.
  void log(LogLevel level, const char* kind, std::string_view what) const {
    log_.tell(*peer_, level, kind, what);
  }

 private:
  enum class Stage : uint8_t { joining, connecting, introducing, securing, connected };

  // No connection stands yet.
  bool connects() const {
    return stage_ == Stage::connecting || (stage_ == Stage::joining && !place_.connected);
  }
  Upstream& upstream() const { return lent_.worker.upstreams.at(route_.upstream); }
  PeerHealth& health() const { return lent_.worker.upstreams.peers().board().health(peer_->id); }
  void choose(PeerId peer, bool probing);
  bool may_join() const;
  Step join();
  void leave_place();
  Step begin_connecting();
  void note_unreached(int error, const char* reason, const std::string& text);
  Result<int> connect();
  Result<int> connect_with_room();
  PeerFailure failure_of(PeerFault fault) const;
  Step on_connected();
  Step introduce();
  Step begin_securing();
  Step secure();
  void give_up_probing();
  void trace(std::string_view what) const noexcept;
  void trace_tls() const noexcept;

  const SessionContext& lent_;
  const RouteConfig& route_;
  PeerLog log_;
  Leg& leg_;
  const unsigned number_;
  const std::string& preamble_;
  Outgoing introduction_;  // the same, on its way
  PeerUse peer_;
  TlsClientRef secured_by_;      // the peer's upstream's, when it was chosen
  TlsTransport* tls_ = nullptr;  // the leg's, while securing
  const char* failure_ = "";
  Http2Peers::Place place_;  // joining
  uint64_t deadline_ms_ = 0;
  Stage stage_ = Stage::connecting;
  bool websocket_ = false;
  bool probing_ = false;
  bool reused_ = false;
  bool lacked_descriptor_ = false;
};

}  // namespace sluice
