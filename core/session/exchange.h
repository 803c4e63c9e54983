// Exchange: one request and its answer, from the first byte of the request to the last of the
// answer. A handshake is an exchange that ends in an upgrade. It is made at the client's first byte
// (at accept, where the client is only told why it gets no session) and dies when relaying,
// lingering or the wait for another request begins, so that neither a silent client nor an idle
// session pays for it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "core/observe/access_log.h"
#include "core/router.h"
#include "core/session/answer_relay.h"
#include "core/session/authorization.h"
#include "core/session/client_seats.h"
#include "core/session/dial.h"
#include "core/session/forward.h"
#include "core/session/kept_connection.h"
#include "core/session/own_answer.h"
#include "core/session/password_check.h"
#include "core/session/preface.h"
#include "core/session/real_client.h"
#include "core/session/request_reader.h"
#include "core/session/session_context.h"
#include "core/session/upstream_request.h"
#include "protocol/handshake.h"
#include "protocol/jwt.h"
#include "protocol/plain_http.h"

namespace sluice {

// What the session does after a call into its Exchange.
enum class ExchangeStep : uint8_t {
  wait,     // for readiness or the timer
  again,    // let others run first, then on_run()
  relay,    // both sides agreed and the client has its 101
  next,     // the client has its answer and may ask again: take_connection()
  http2,    // the client speaks HTTP/2 on this connection: take_connection(), refused()
  linger,   // the client has its answer; nothing else will be sent
  abandon,  // the client is gone or not worth an answer; reason() says why
  abort,    // the same, and only an abort tells the client the truth
};

// It owns the parts, decides which of them goes on, and tells the log how it ended. Each part has
// its own state, and a file of its own.
//
//   Preface         the PROXY header, TLS, if any      -> RequestReader
//   RequestReader   a whole request that has a route   -> Authorization, where it has auth_request
//   Authorization   it lets the client in              -> Dial
//                   it does not                        -> OwnAnswer or AnswerRelay
//   Dial            a peer is connected                -> Forward
//   Forward         the peer failed unheard            -> Dial, the next peer
//                   it answered 101                    -> our 101 is sent: Step::relay
//                   it answered otherwise              -> AnswerRelay: Step::linger or ::next
//   any of them     the client or a peer is at fault   -> OwnAnswer: Step::linger
//
// Beside Forward and AnswerRelay the body of a plain request goes to the peer (exchange_plain.cc).
class Exchange {
 public:
  using Step = ExchangeStep;

  // `refused`: why this client gets no session, decided at accept; null: it may have one. It and
  // what `lent` refers to outlive this.
  Exchange(const SessionContext& lent, const Refusal* refused);
  // For a request behind others on the same connection, of which `early` came already. on_run()
  // begins it; until its first byte came, the session's timer is left alone.
  Exchange(const SessionContext& lent, KeptConnection kept, std::string early);

  // For a request that is a stream of its own, on a connection of that number whose preface is
  // done; null: it had none. It outlives this.
  Exchange(const SessionContext& lent, const Refusal* refused, Preface* of_connection,
           uint64_t connection_number);

  // The session's timer runs, for the request and for the TLS handshake before it.
  Step begin();
  Step on_ready(Side side, Readiness ready);
  Step on_rival_ready(Readiness ready);
  Step on_run();
  Step on_timer();

  // A connection that never sent a byte of a request gets no answer and no access line: browsers
  // open some ahead of need. A client that waits for us to speak first looks the same.
  static void log_silent(const SessionContext& lent);

  // As Session says them, of a client that takes nothing of an answer that is relayed, or a peer
  // that takes nothing of a request's body.
  bool stalled() const { return answer_stalled() || request_stalled(); }
  bool check_stall();
  uint32_t stalled_for_ms() const;

  // An answer is under way of which only an abort tells that it is not whole.
  bool end_would_hide() const {
    return stage_ == Stage::relaying_answer && !answer_relay_->end_shows();
  }
  // Nothing came of a request yet, and others were answered on its connection.
  bool awaits_next() const { return requests_ > 0 && !request_.heard(); }
  // After Step::http2: why no request of this connection gets a session; null: they may.
  const Refusal* refused() const { return refused_; }
  // After Step::next or ::http2; they end this exchange's use.
  KeptConnection take_connection();
  std::string take_behind();

  const char* reason() const { return reason_; }
  // It began, and its end is not counted yet (WorkerRow).
  bool fails_uncounted() const { return !logged_ && !awaits_next(); }
  // For the access log, with the request's target and host as far as they were read: the query only
  // where log_query is on and without what log_mask names, userinfo never.
  SessionRecord record() const;
  // The access line of a handshake that ends without an answer; the client must have said
  // something.
  void log_unanswered(const char* reason) noexcept;

  // After Step::relay: bytes that came behind the request and behind the 101, and what was agreed.
  std::string_view early(Side side) const {
    return side == Side::client ? request_.early() : forward_->behind();
  }
  std::string_view subprotocol() const { return agreed_.protocol; }
  bool deflate() const { return !agreed_.extensions.empty(); }
  const RouteConfig* route() const { return route_; }  // of the Config that `lent` refers to
  PeerId peer() const { return dial_->peer()->id; }
  // When the client's token expires, by the reactor's clock; 0: none does.
  uint64_t token_ends_ms() const { return token_ != nullptr ? token_->ends_ms : 0; }
  // The same: what the session counts as from then on, and has to take back.
  CountedAs take_counts() { return seats_.hand_over(); }

 private:
  enum class Stage : uint8_t {
    preface,
    reading_request,
    authorizing,
    checking_password,
    dialling,
    forwarding,
    sending_101,
    refusing,         // an error answer of ours is being sent
    relaying_answer,  // the upstream's answer is being sent
    replying,         // the route's own is, or that to a challenge
  };

  struct Token {
    JwtClaims claims;
    uint64_t ends_ms = 0;  // by the reactor's clock; 0: it does not expire
  };

  static constexpr const char* client_left = "client left during the handshake";

  Step follow(Preface::Step step);
  Step follow(RequestReader::Step step);
  Step follow(Authorization::Step step);
  Step follow(Dial::Step step);
  Step follow(Forward::Step step);
  Step follow(OwnAnswer::Step step);
  Step follow(AnswerRelay::Step step);
  Step read_request();
  Step begin_plain(const RouteConfig& route);
  void begin_forwarding_plain();
  Step run_forward();
  Step run_answer();
  Step run_request_body();
  Step end_request_body(BodyRelay::Step step);
  std::string refused_body_text() const;
  Step pass_interim();
  Step on_plain_timer();
  Step end_plain();
  Step reply(const Reply& reply);
  Step tell_challenge(std::string_view name);
  Step run_reply();
  bool may_keep_connection() const;
  bool request_whole() const;
  bool may_be_repeated() const;
  bool may_keep_upstream();
  bool answer_end_shows() const;
  void note_heard();
  void find_client();
  Step route_request();
  // exchange_admission.cc: a link refuses or has no objection.
  using Link = std::optional<Refusal> (Exchange::*)();
  static const Link links[];
  Step admit();
  std::optional<Refusal> check_address();
  std::optional<Refusal> check_origin();
  std::optional<Refusal> offer_protocols();
  std::optional<Refusal> check_token();
  // exchange_authorize.cc
  Step authorize();
  Step tell_verdict(BodyFraming framing, uint64_t length);
  Step relay_verdict();
  std::optional<Refusal> limit_handshakes();
  std::optional<Refusal> take_seats();
  std::optional<Refusal> limited_by(ClientLimit limit);
  Step check_password();
  Step follow(PasswordCheck::Step step);
  void tell_password_trouble(const char* what) const;
  Step enter();
  Step dial();
  std::string preamble() const;
  Step take_answer();
  Step relay_answer();
  Step relay_plain_answer();
  Step accept_upgrade();
  Step send_upgrade();
  bool answer_stalled() const;
  bool request_stalled() const;
  bool may_ask() const;
  Step tell_health();
  Step refuse(Refusal refusal);
  Step refuse_upstream(Refusal refusal);
  Step leave_or_refuse(Refusal refusal);
  ClientRequest client_request() const;
  void add_ours(AnswerHead& answer) const;
  Step abandon(const char* reason);
  Step abandon_silent();
  Step refuse_proxy_header();
  Step end_without_proxy_header(const char* reason);
  Step end_for_http2();
  Step end_without_tls(const char* reason, std::string detail);
  Step refuse_late_answer();
  std::string target_for_log() const;
  std::string_view host_for_log() const;
  std::string protocol_for_log() const;
  std::string request_id_for_log(const Head& head) const;
  void add_details(SessionRecord& record, const LogFields& wanted) const;
  void count_end(int status);
  // What the client was told by the upstream's answer to a plain request; 0: nothing yet.
  int served_status() const;
  // What is told to who traces (exchange_trace.cc). Null where nobody does. Where memory is short
  // for it, it is left out, and the handshake goes on.
  static std::unique_ptr<HandshakeTrace> begin_trace(const SessionContext& lent);
  static SessionContext traced(const SessionContext& lent, HandshakeTrace* trace);
  void trace_lines(const char* step, const std::vector<std::string>& lines) noexcept;
  void trace_tls(const TlsTransport& tls) noexcept;
  void trace_request() noexcept;
  void trace_route(const RouteRequest& asked, const RouteConfig* found, const RouteConfig* chosen,
                   bool ambiguous) noexcept;
  void trace_sent(const std::string& request) noexcept;
  void trace_answer() noexcept;
  void trace_end(int status) noexcept;
  void log_end(int status);

  const std::unique_ptr<HandshakeTrace> trace_;  // null: nobody observes this handshake
  const SessionContext lent_;
  const Refusal* refused_;
  RequestReader request_;
  UpgradeRequest upgrade_;
  Hop hop_;
  std::string rewritten_;                    // what rewrite_path made of the path; "": nothing
  std::vector<std::string_view> protocols_;  // of those offered, what the route lets pass
  const RouteConfig* route_ = nullptr;
  std::unique_ptr<Token> token_;  // null: the route demands none
  ClientSeats seats_;
  std::unique_ptr<Preface> own_preface_;  // null: none was wanted, or it is of_connection
  Preface* preface_ = nullptr;            // either; null: there is none
  std::optional<PasswordCheck> password_;
  std::string user_;                       // whose password it was; "": none was asked for
  MessageFraming framing_;                 // of a plain request
  std::optional<BodyRelay> request_body_;  // the same, once a peer is to get it
  Dial::Wish wish_;
  std::unique_ptr<Authorization> authorization_;  // null: the route asks nobody
  std::optional<Dial> dial_;
  std::optional<Forward> forward_;  // to the latest peer
  std::optional<AnswerRelay> answer_relay_;
  std::optional<OwnAnswer> own_answer_;
  Outgoing heads_out_;  // interim answers, or our 101, on their way to the client
  UpgradeAnswer agreed_;
  uint64_t dialled_ms_ = 0;                     // when the first peer was, by the reactor's clock
  uint32_t connect_ms_ = SessionRecord::no_ms;  // from then until the latest one was connected
  uint64_t connection_number_ = 0;              // over_stream_: for the log
  uint64_t asked_ms_ = 0;                       // when the latest part of a plain request went out
  uint32_t requests_ = 0;                       // answered before on this connection
  uint16_t replied_ = 0;                        // the status of our reply, or the authorizer's
  const char* reason_ = "";                     // static text
  std::string detail_;                          // of the reason, for the log
  Stage stage_ = Stage::reading_request;
  bool logged_ = false;            // its access line is written
  bool upgrades_ = false;          // it asks for a WebSocket
  bool plain_ = false;             // it asks for no WebSocket, and its route serves it
  bool request_over_ = false;      // plain: nothing more of it goes to the peer
  bool keeps_connection_ = false;  // plain: its answer says so
  bool keeps_upstream_ = false;    // plain: its peer was not told to end the connection
  bool request_traced_ = false;
  bool over_stream_ = false;  // its client's leg is an HTTP/2 stream
};

}  // namespace sluice
