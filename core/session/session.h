// Session: one client's life, from accept to close. It owns both legs and both directions. The
// handshake is Exchange's, which opens and closes the upstream leg meanwhile; moving bytes is
// Direction's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/observe/access_log.h"
#include "core/observe/end_cause.h"
#include "core/session/client_address.h"
#include "core/session/direction.h"
#include "core/session/leg.h"
#include "core/session/one_timer.h"
#include "core/session/own_ping.h"
#include "core/session/rate_bucket.h"
#include "core/session/session_context.h"
#include "core/session/worker_context.h"
#include "net/pool.h"
#include "protocol/handshake.h"

namespace sluice {

class Exchange;
class Http2ClientStream;
struct KeptConnection;
struct SessionExtras;
enum class ExchangeStep : uint8_t;

// Every call into it may throw std::bad_alloc; the worker then calls close(), which does not.
//
//   accepted --(first byte)--> exchanging --> relaying --> closing --> closed
//                                ^   | \--> lingering (a refusal was sent) --> closed
//                  (a next byte) |   v
//                               waiting (a plain request was answered) --> closed
class Session {
 public:
  enum class State : uint8_t {
    accepted,
    exchanging,
    relaying,
    closing,
    lingering,
    waiting,
    closed
  };

  // `listener`: index into the listeners of `config`.
  Session(WorkerContext& context, const ConfigRef& config, const ClientAddress& client,
          uint32_t listener);
  // With the Config in force.
  Session(WorkerContext& context, const Address& client, uint32_t listener)
      : Session(context, context.config, ClientAddress(client), listener) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  // Takes over the accepted descriptor. With `refused` the client is only told so; it outlives the
  // session.
  void start(int fd, const Refusal* refused);
  // The same of a client whose leg is that stream: its request is there already.
  void start(std::unique_ptr<Http2ClientStream> stream, const Refusal* refused);

  void on_ready(Side side, Readiness ready);
  // Of the leg that is watched as rival_leg.
  void on_rival_ready(Readiness ready);
  void on_timer();
  void on_run();

  // --- four ways to end it, from outside
  // The worker, or what the session belongs to, is left. With Boundary::frame a session that relays
  // sends Close `code` to both peers and lives on until they have answered, or close_timeout; one
  // that does not relay yet ends at once. With Boundary::message the Close goes to the client
  // alone, behind the message that is under way; what the client sends until its own Close travels
  // on, and that Close takes leave of the upstream. One that does not relay yet is left alone.
  // `reason` is what the Close says beside its code, UTF-8 of at most max_close_reason_bytes.
  void leave(CloseCode code, EndCause cause, Boundary boundary, std::string_view reason = {});
  // To be called while stalled_for_ms() is not 0: aborts the leg that takes nothing. The other peer
  // is told as of any loss, and the session lives on until it is done.
  void end_slow(EndCause cause);
  // Ends it at once, in any state: legs that got everything end in order, others are aborted.
  void end_now(EndCause cause);
  // The end of every session: unwatches and closes both descriptors, gives back what was borrowed,
  // logs once, retires the handle. `cause` counts where no end was recorded before.
  void close(EndCause cause, End how = End::orderly);

  // The worker's regular look at a session on the stall list: smaller rings after a second, abort
  // of the slow reader after send_timeout. Returns whether it stays on the list.
  bool check_stalls();
  // How long the slower of its two targets has taken nothing, not even of what the kernel holds, as
  // check_stalls() saw it; 0 where none is stalled.
  uint32_t stalled_for_ms() const;

  // At accept: the connection is counted at its listener, and this takes that back.
  void own_listener_count() { counted_ |= 1; }

  State state() const { return state_; }
  // A request was answered, and nothing has come of another one.
  bool awaits_request() const;
  // --- what lists of sessions and drains ask
  uint64_t number() const { return id_; }  // WorkerContext::id_text's
  const ClientAddress& client() const { return client_; }
  const ListenConfig& listener() const { return config_->listeners[listener_]; }
  const RouteConfig* route() const { return route_; }  // null before it relays
  PeerId peer() const { return peer_; }                // no_peer before it relays
  // Since something came or went; 0 where it does not relay.
  uint32_t idle_ms() const;
  // Received from `source` and not sent on.
  size_t queued_bytes(Side source) const { return from(source).queued(); }
  // What is known of it since it relays; not to be called before.
  SessionRecord record() const;
  // For its own parts, and for tests that look at the descriptors.
  Leg& leg(Side side) { return legs_[index_of(side)]; }

 private:
  // How a peer went without a Close: by its FIN, or by an error.
  enum class Departure : uint8_t { ended, failed };
  // What has been accepted from one side.
  struct Accepted {
    uint64_t bytes = 0;
    uint64_t messages = 0;
  };

  uint64_t now_ms() const { return context_.reactor.now_ms(); }
  Handle self() const { return Pool<Session>::handle_of(*this); }
  SessionContext lent();
  void arm_timer(uint64_t delay_ms);
  void close_leg(Side side, End how);
  // PeerLog::tell about the peer of this session.
  void log_upstream(const char* kind, std::string_view what) const;

  void count_end();
  void log_open(const Exchange& exchange);
  void log_close() noexcept;

  void begin_exchange();
  void end_exchange();
  void hand_over();
  void follow(ExchangeStep step);
  void advance_lingering();
  void begin_relaying();
  void begin_lingering();
  // session_waiting.cc
  void begin_waiting();
  void resume();
  void begin_next(std::string early);
  void end_waiting();

  void serve(Side side, Readiness ready);
  void run();
  uint64_t accepted_bytes() const;
  void pump(Side source);
  void pump_on(Side source);
  Accepted accepted(Side source) const;
  TrafficCounters& traffic(Side source) const;
  void act_on(PumpEnd end, Side source);
  Between path(Side source, const FrameRules& rules, TrafficCounters& counts);
  FrameRules rules_for(Side source, FrameCounts* counts = nullptr) const;
  Direction& from(Side source) { return directions_[index_of(source)]; }
  const Direction& from(Side source) const { return directions_[index_of(source)]; }
  Direction& toward(Side target) { return from(other(target)); }
  const Direction& toward(Side target) const { return from(other(target)); }
  std::string reason_text() const;
  std::string silence_text(Side source) const;
  void enqueue();

  // session_pace.cc
  void begin_timing(uint64_t token_ends_ms);
  void arm_relaying_timer();
  void hasten_timer(uint32_t wait_ms);
  uint64_t relaying_wait_ms() const;
  void on_relaying_timer();
  void look_at_ping(Side side);
  uint32_t delivered_bytes(Side side) const;
  void send_ping(Side side);
  PingTimes ping_times(Side side) const;
  uint64_t ping_chance(Side side) const;
  uint32_t ping_tag(Side side) const;
  void note_ready(Side side, Readiness ready);
  // moved_bytes() where note_moved() wants it.
  uint32_t moved_if_paced() const { return extras_ != nullptr ? moved_bytes() : 0; }
  void note_moved(uint32_t before);
  void note_answer(Side side);
  void note_unread(Side source);
  uint64_t age_left_ms() const;
  uint64_t token_left_ms() const;
  bool limits_rates() const;
  BucketLimit message_limit(Side source) const;
  BucketLimit byte_limit(Side source) const;
  uint64_t messages_allowed(Side source) const;
  uint64_t bytes_allowed(Side source) const;
  void charge(Side source, const Accepted& before);
  bool act_on_rates(Side source);
  bool over_byte_rate(Side source) const;
  uint64_t rate_wait_ms(Side source) const;
  void give_up(Side lost, EndCause cause, std::string_view why);
  void set_cause(EndCause cause);
  void watch_stall();
  void check_stall(Side source);
  uint32_t stalled_for_ms(Side source) const;
  void abort_slow(Side slow, EndCause cause);

  // session_closing.cc
  void record_end(Party who, EndCause cause, Party fault = Party::nobody);
  bool send_close(Side target, CloseCode code, MidFrame mid_frame, std::string_view reason = {});
  bool pass_loss_on(Side target);
  void end_on_both(CloseCode code, EndCause cause, std::string_view reason = {});
  void take_leave(CloseCode code, EndCause cause, std::string_view reason = {});
  std::string_view keep_reason(std::string_view reason);
  std::string_view close_reason() const;
  bool awaits_clients_close() const;
  void on_silent_client();
  uint32_t moved_bytes() const;
  bool has_unfinished() const;
  bool half_closed() const;
  void on_fault(Side source);
  void end_for_fault(Side source, CloseCode code, EndCause cause);
  void on_peer_close(Side source);
  void on_left(Side source, Departure departure);
  void on_unwritable(Side target);
  void begin_closing();
  void settle_closing();
  void settle_leg(Side side);
  void on_close_timer();

  WorkerContext& context_;
  ConfigRef config_;
  const RouteConfig* route_ = nullptr;
  // By state_; what is owned ends with its state.
  union {
    const Refusal* refused_ = nullptr;  // accepted: null, or why it gets no session
    Exchange* exchange_;                // exchanging: owned
    KeptConnection* kept_;              // waiting: owned
    char* subprotocol_;                 // relaying, closing: owned; null: none was agreed
  };
  SessionExtras* extras_ = nullptr;  // owned; null: nothing asks for any, or it does not relay
  Leg legs_[2];
  Direction directions_[2];  // by their sources
  uint64_t id_;
  uint64_t opened_ms_;
  ClientAddress client_;
  OneTimer timer_;
  union {
    uint32_t last_activity_ms_ = 0;  // relaying
    uint32_t moved_before_;          // closing: moved_bytes() at the last look at the clock
  };
  // Codes of the proxy's own Closes, by the sides that they are for; 0: none was queued, or one did
  // not go out whole.
  uint16_t own_codes_[2] = {};
  const char* end_text_ = "";  // EndCause::text
  PeerId peer_ = no_peer;      // once it relays: this session is a user of it
  uint16_t listener_;
  uint16_t close_code_ = 0;  // of the Close with which a peer ended the session; 0: it was none
  EndKind end_kind_ : 5 = EndKind::none;  // set once
  Party closed_by_ : 2 = Party::nobody;
  Party fault_ : 2 = Party::nobody;
  State state_ : 3 = State::accepted;
  bool deflate_ : 1 = false;
  bool run_queued_ : 1 = false;
  bool busy_ : 1 = false;  // moved much in its last turn: others come first
  bool stall_watched_ : 1 = false;
  bool extends_while_moving_ : 1 = false;  // closing: both peers behave, one Close is awaited
  uint8_t close_waits_ : 4 = 0;            // closing: how often close_timeout has passed
  bool has_close_reason_ : 1 = false;      // in CloseReasons
  uint8_t counted_ : 3 = 0;                // CountedAs: what close() takes back
};

// With its slot and its timer, this is all the user memory that a plain session keeps while it
// idles.
static_assert(sizeof(Session) <= 208);

}  // namespace sluice
