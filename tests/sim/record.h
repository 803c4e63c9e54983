// Record: everything the kernel saw of one session, in order, and the judgement of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "tests/sim/connection.h"
#include "tests/sim/lane.h"
#include "tests/sim/peer.h"
#include "tests/sim/plan.h"
#include "tests/sim/tls_wire.h"

namespace sluice::sim {

class Http2StreamWire;

// What of a run is common to its sessions and excuses what they suffer.
struct Climate {
  bool scarce = false;      // of descriptors or memory
  bool overload = false;    // worker_connections may be reached
  bool storm = false;       // handshake_rate may be reached
  bool crowded = false;     // buffer_memory may be reached
  uint64_t leaving_ns = 0;  // SIGTERM was read then
  uint64_t drain_ns = 0;    // the worker began then to drain everybody
  uint64_t drain_window_ns = 0;
  uint16_t drain_code = 0;
  uint32_t ring_bytes = 0;
  uint32_t pipe_bytes = 0;  // 0: no payload passes by pipe
};

// What ended a session, or helped to.
struct Incident {
  enum class Kind : uint8_t {
    closed,      // `side` sent a Close
    bad,         // `side` sent something wrong
    ended,       // FIN of `side`
    lost,        // error at `side`, or no progress for send_timeout
    unwritable,  // a send to `side` failed
    idle,
    leaving,
    told,  // the client was told to leave, with `code`, for its session's age or a drain
  };
  Kind kind;
  int side;       // 0 client, 1 upstream
  uint16_t code;  // bad, told; idle: 0, or of the token that has expired
  uint64_t act;
  uint64_t when_ns;
  bool inside_frame;  // some of the frame that it cut off had been sent on
};

class Record final : public Observer {
 public:
  Record(const SessionPlan& plan, const Config& config, const Climate& climate);

  void attach_client(ClientPeer& peer);
  // The same behind plain requests of so many bytes, when the first byte of the upgrade is there.
  void take_over(ClientPeer& peer, uint64_t plain_bytes);
  // The client is a stream of HTTP/2; `doomed`: something is to happen to its connection.
  void attach_stream(ClientPeer& peer, const Http2StreamWire& stream, bool doomed);
  void attach_upstream(UpstreamPeer& peer);

  void on_recv(Connection& connection, std::string_view bytes) override;
  void on_input_end(Connection& connection, int error) override;
  void on_send(Connection& connection, std::string_view bytes) override;
  void on_send_error(Connection& connection, int error) override;
  void on_farewell(Connection& connection, Farewell farewell) override;
  void on_event(Connection& connection, Readiness ready) override;

  // Where no peer of the route can be reached: what the client is told. Empty else.
  std::vector<int> dial_statuses;
  // What it is told where its guard does not let it in; 0: it does, or there is none.
  int guard_status = 0;

  // --- for the watch -----------------------------------------------------------------------------
  const SessionPlan& plan() const { return plan_; }
  const RouteConfig& route() const { return route_; }
  bool accepted() const {
    return legs_[0].connection != nullptr && legs_[0].connection->handed_ns != 0;
  }
  bool live() const;  // the proxy holds one of its descriptors
  bool over() const;
  bool relaying() const { return relaying_; }
  // Of frames, as the kernel saw them, or TLS.
  uint64_t frame_bytes_written() const {
    return lanes_[0].raw_out().size() + lanes_[1].raw_out().size();
  }
  // An answer that is no 101 may be on its way through the proxy.
  bool relays_answer() const { return !relaying_ && plan_.answer == Answer::refusal; }
  // Whether the upstream that has the request has given no answer, or one that is not passed on.
  bool may_ask_again() const;
  // All of its servers have a max_connections.
  bool may_be_full() const;
  bool closing() const { return !incidents_.empty(); }
  const std::vector<Incident>& incidents() const { return incidents_; }
  Lane& lane_from(int side) { return lanes_[side]; }
  Connection* connection(int side) const { return legs_[side].connection; }
  ClientPeer* client() const { return client_; }
  void on_leaving();
  // The worker was told to end it, with that code and reason.
  void on_command(uint16_t code, const std::string& reason);
  bool commanded() const { return command_.when_ns != 0; }
  // Whether rates may hold its messages back.
  bool limited() const;
  void on_wake();      // the clock has moved: does idle_timeout strike in this turn?
  void check_turn();   // at the end of a turn: budgets, deadlines
  void check_quiet();  // nothing is ready: is anything forgotten?
  // --- at the end (verdict.cc)
  // ---------------------------------------------------------------------
  void judge();
  // Whether it can be said exactly what that side gets.
  bool strict_side(int side) const;

 private:
  struct Leg {
    Connection* connection = nullptr;
    uint64_t introduction_left = 0;  // a balancer's bytes that the proxy has not read
    uint64_t raw_in = 0;
    std::string head_in;
    std::string head_out;     // what was sent before frames
    uint64_t frames_in = 0;   // frames begin there in what the peer wrote
    bool frames_out = false;  // the head is out
    Farewell farewell = Farewell::none;
    uint64_t farewell_ns = 0;
    uint64_t moved_ns = 0;  // bytes last moved, either way
    uint64_t sent_ns = 0;   // bytes last went out
    uint64_t first_sent_ns = 0;
    uint64_t heard_ns = 0;    // bytes last came
    uint64_t ping_ns = 0;     // a ping of the proxy's went out
    uint64_t excused_ns = 0;  // it was not read then, or took what was sent before
    uint64_t excused_at_turns_end_ns = 0;
    uint64_t unread_ns = 0;  // at the end of a turn some of it had not been read, or not sent on
    uint64_t queued_ns = 0;  // since when something waits for it; 0: nothing does
    uint64_t queued_held_ns = 0;  // the same, though it takes bytes
    bool unwritable = false;
    bool input_ended = false;
  };

  // Its client was accepted, or is done with what it asked before.
  uint64_t begun_ns() const {
    return plain_bytes_ > 0 ? taken_over_ns_ : legs_[0].connection->handed_ns;
  }
  int side_of(const Connection& connection) const {
    return &connection == legs_[0].connection ? 0 : 1;
  }
  void note_incident(Incident::Kind kind, int side, uint16_t code = 0);
  void look(int side);
  void begin_relaying();
  void recognize(int target);
  bool pings(int side) const { return ping_interval_ms(side) > 0; }
  uint32_t ping_interval_ms(int side) const {
    return side == 0 ? route_.client_ping_interval_ms : route_.upstream_ping_interval_ms;
  }
  uint32_t ping_timeout_ms(int side) const {
    return side == 0 ? route_.client_ping_timeout_ms : route_.upstream_ping_timeout_ms;
  }
  // Frames alone are activity there, or may be (a token that expires, what a stream is told).
  bool paced() const {
    return pings(0) || pings(1) || limited() || route_.wants_jwt() || stream_ != nullptr;
  }
  bool limited(int side) const;
  void note_pings(int side, uint64_t before);
  void check_pings(int side);
  void check_rates(int side);
  bool may_be_old() const;
  bool token_may_differ(uint64_t when_ns) const;
  bool token_may_have_expired() const;
  void check_token() const;
  bool may_leave(uint16_t code) const;
  void check_leaving() const;
  void check_held();
  bool aborts_rightly(int side) const;
  const Incident* told() const { return find(Incident::Kind::told, 0); }
  void check_budget(const Connection& connection) const;
  void check_opening() const;
  void check_unread(int side) const;
  void check_hidden(int side) const;
  void check_untaken(int side) const;
  const PeerPlan& peer_plan(int side) const { return side == 0 ? plan_.client : plan_.upstream; }
  const Peer* peer(int side) const;
  const TlsWire* tls(int side) const;
  void check_stall(int side) const;
  void check_closing() const;
  void check_own_code(int target) const;

  std::vector<int> expected_statuses() const;
  void judge_handshake() const;
  void judge_answer(std::string_view head, std::string_view rest) const;
  void judge_times(int status) const;
  void judge_request() const;
  bool expect_tls_trouble(std::vector<int>& expected) const;
  void judge_tls(int side) const;
  void judge_stream() const;
  bool got_answer(std::string_view answer) const;
  void judge_side(int side) const;
  void judge_end(int side) const;
  void judge_abort(int side) const;
  void check_told(const Incident& ending, int side) const;
  const Incident* ending_of(int target) const;
  const Incident* find(Incident::Kind kind, int side) const;
  bool client_listens_at(const Incident& loss) const;
  uint16_t own_code_for(const Incident& ending, int target) const;
  [[noreturn]] void fail(const std::string& what) const;

  const SessionPlan& plan_;
  const Config& config_;
  const RouteConfig& route_;
  const Climate& climate_;
  ClientPeer* client_ = nullptr;
  UpstreamPeer* upstream_ = nullptr;
  const Http2StreamWire* stream_ = nullptr;  // the client is, of HTTP/2
  bool doomed_ = false;                      // with its connection
  Leg legs_[2];
  Lane lanes_[2];          // by their sources
  OwnPings own_pings_[2];  // toward each side
  std::vector<Incident> incidents_;
  uint64_t plain_bytes_ = 0;  // of its client's, before the upgrade
  uint64_t taken_over_ns_ = 0;
  bool relaying_ = false;
  uint64_t relaying_ns_ = 0;
  uint64_t wake_ms_ = 0;  // when the turn began; in TLS time goes on within it
  uint64_t activity_ms_ = 0;
  struct Command {
    uint64_t when_ns = 0;  // 0: none was given
    uint16_t code = 0;     // no other Close has that one
    std::string reason;
  } command_;
  const char* over_rate_ = "";  // in this turn, unless it brings the end, which nothing holds back
  uint64_t relayed_ms_ = 0;     // when frames last travelled
  uint64_t event_turn_ = 0;
};

}  // namespace sluice::sim
