// Dial: from an upstream to one connected leg. It walks the peers in their order: an Attempt at
// one, the next one where that fails and next_peer_on has it, and where hedge_after says so the
// next one beside it. It knows no request and no HTTP.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/config.h"
#include "core/peers/upstream.h"
#include "core/session/attempt.h"
#include "core/session/session_context.h"
#include "protocol/handshake.h"

namespace sluice {

class Dial {
 public:
  enum class Step : uint8_t {
    wait,    // for readiness or the timer
    again,   // let others run first, then run()
    ready,   // the leg is connected to peer(), and secured where the peer's URI says wss://
    failed,  // refusal() says why; the leg is closed
  };

  // `lent` and `route` outlive this. `preamble` goes before everything else to each peer; "": none
  // does.
  Dial(const SessionContext& lent, const RouteConfig& route, std::string preamble = {});
  Dial(const Dial&) = delete;
  Dial& operator=(const Dial&) = delete;
  ~Dial();

  // What of the request says which peer it wants.
  struct Wish {
    std::optional<uint64_t> key;  // balance_key() of what the upstream's hash takes of it
    std::string token;            // Upstream::token() of the peer that its cookie names, or ""
  };
  Step begin(const Wish& wish);
  // To be called first where what goes to the peer may go there twice: a connection that was kept
  // may serve. Its peer may end it just then.
  void may_reuse() { reuses_ = true; }
  // To be called first where what goes to the peer opens a WebSocket.
  void ask_for_websocket() {
    websocket_ = true;
    first_.ask_for_websocket();
  }
  // The upstream leg is ready, or others had their turn.
  Step run();
  // The leg of the rival is ready, where there is one still: run() comes next.
  void note_rival(Readiness ready);
  // The time is over that the latest peer had: connect_timeout, then handshake_timeout, which goes
  // on after `ready` until there is an answer. Or it is time for a rival.
  Step on_timer();
  // The peer failed after `ready` and before anything that a client could have been told was lost:
  // the next one is asked as this one was, where may_leave(fault). `what` is for the log, `reason`
  // static text.
  Step leave(PeerFault fault, std::string_view what, const char* reason);
  // Whether the next peer is asked after such a fault of this one: next_peer_on (`status` is an
  // answer's, PeerFault::status), next_peer_tries, next_peer_timeout, and there is one.
  bool may_leave(PeerFault fault, int status = 0) const;
  // A kept connection ended before anything came of an answer: its peer may have ended it before it
  // was asked, which is no failure. It is asked on a new one.
  // So is a stream of HTTP/2 that it has not looked at, once, where nothing of a body is gone.
  bool reused() const {
    return first_.reused() || (lent_.upstream.refused() && !redialled_ && (websocket_ || reuses_));
  }
  Step redial();
  // Whether the connection may be kept for another request once this one is answered, and keeps it.
  bool may_keep() const;
  void keep() noexcept { first_.keep(); }
  // From here on no other peer is asked: what goes to this one must not be done twice.
  void stay() { stays_ = true; }
  // Attempt::note_answer and note_fault of the latest peer.
  void note_answer() { first_.note_answer(); }
  void note_fault(PeerFault fault) { first_.note_fault(fault); }

  // The latest peer dialled, good until the next one is; null before the first.
  const Peer* peer() const { return first_.peer(); }
  // How many were, and, where the access log's format has peers_tried, which, joined by commas.
  uint32_t tries() const { return tries_; }
  const std::string& tried() const { return tried_; }
  const Refusal& refusal() const { return refusal_; }
  // PeerLog::tell about that peer.
  void log(LogLevel level, const char* kind, std::string_view what) const {
    first_.log(level, kind, what);
  }

 private:
  // The next peer, tried beside the first one.
  struct Rival {
    Rival(const SessionContext& lent, const RouteConfig& route, const std::string& preamble)
        : attempt(lent, route, leg, rival_leg, preamble) {}
    Leg leg;
    Attempt attempt;
  };

  // Looked up anew each time: another Config may have put another one in its place.
  Upstream& upstream() const { return lent_.worker.upstreams.at(route_.upstream); }
  bool may_try_another() const;
  std::optional<PeerId> next_peer(bool& probing);
  Step connect_next();
  Step await_first();
  Step go_on(PeerFault fault);
  Step on_first_failed(PeerFault fault);
  Step run_rival();
  void begin_rival();
  void end_rival();
  Step promote_rival();
  Step settle(Attempt::Step step);
  void arm();
  void note_time_out(Attempt& attempt);
  Step fail(Refusal refusal);
  Step fail_for_want_of_peers();

  const SessionContext& lent_;
  const RouteConfig& route_;
  const std::string preamble_;
  Attempt first_;  // whose leg is the session's; a rival that is faster takes its place
  std::unique_ptr<Rival> rival_;
  PeerWalk walk_;
  const char* failure_ = nullptr;  // why the latest peer failed; static text
  const char* timeout_ = nullptr;  // the directive that the latest late one was too slow for
  std::string limit_;              // the same with its time
  Refusal refusal_;
  uint64_t begun_ms_ = 0;
  uint64_t rival_at_ms_ = 0;  // when the first has had hedge_after; 0: no rival comes
  uint32_t tries_ = 0;
  bool websocket_ = false;
  bool stays_ = false;
  bool reuses_ = false;
  bool redialled_ = false;
  std::string tried_;
};

}  // namespace sluice
