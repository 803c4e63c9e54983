// Exchange: a session's handshake, from the first byte of the request to the last of the answer. It
// dies when relaying begins, so that an idle session is small.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "core/observe/access_log.h"
#include "core/peers/upstream.h"
#include "core/session/leg.h"
#include "protocol/handshake.h"
#include "protocol/http1.h"

namespace sluice {

class Session;

// What the session does after a call into its Exchange.
enum class ExchangeStep : uint8_t {
  wait,     // for readiness or the timer
  again,    // let others run first, then on_run()
  relay,    // both sides agreed and the client has its 101
  linger,   // the client has its answer; nothing else will be sent
  abandon,  // the client is gone or not worth an answer; reason() says why
};

//   [securing_client] --> reading_request --> connecting --> [securing_upstream] -->
//   awaiting_answer
//                                |                |                  |                |   |   |
//                                +----------------+---- refusing ----+----------------+   |   |
//                                                          |                              |   |
//                                      linger <------------+------ relaying_refusal <-----+   |
//                                       relay <------------------- accepting (101) <----------+
class Exchange {
 public:
  using Step = ExchangeStep;

  static constexpr int read_rounds = 32;  // reads of a head in a row, then others get their turn

  // `session` owns this and outlives it.
  explicit Exchange(Session& session);

  // Arms the deadline for the request and for the TLS handshake before it. With `overloaded` the
  // client is only told so (503).
  Step begin(bool overloaded);
  // An error answer. `reason` (static text) is the log's and decides what the client is told
  // (error_answer.h); `detail` is for the log alone: the value seen, the directive that it is over.
  Step refuse(int status, const char* reason, std::string detail = {});
  Step on_ready(Side side, Readiness ready);
  Step on_run();
  Step on_timer();

  const char* reason() const { return reason_; }
  // For the access log, with the request's target and host as far as they were read: the query only
  // where log_query is on, userinfo never.
  SessionRecord record() const;
  // The access line of a handshake that ends without an answer; the client must have said
  // something.
  void log_unanswered(const char* reason) noexcept;

  // After Step::relay: bytes that came behind the request and behind the 101, and what was agreed.
  std::string_view early(Side side) const { return early_[index_of(side)]; }
  std::string_view subprotocol() const { return agreed_.protocol; }
  bool deflate() const { return !agreed_.extensions.empty(); }

 private:
  enum class Stage : uint8_t {
    securing_client,  // TLS handshake
    reading_request,
    connecting,
    securing_upstream,  // TLS handshake
    awaiting_answer,
    accepting,         // the 101 is being sent
    refusing,          // an error answer of ours is being sent
    relaying_refusal,  // the upstream's answer is being sent
  };

  static constexpr const char* client_left = "client left during the handshake";

  Step secure_client();
  Step end_without_tls(const char* reason, std::string detail);
  Step abandon_silent();
  Step read_request();
  Step choose_upstream();
  Step connect_next();
  Step on_connected();
  Step leave_peer(std::string_view what, const char* reason);
  Step leave_late_peer(const char* timeout, uint64_t limit_ms);
  Step refuse_late_answer();
  void note_peer_failure(std::string_view what, const char* reason);
  Step secure_upstream();
  Step begin_forwarding();
  Step forward();  // sends the request, reads the answer's head
  Step take_answer_head(std::string_view behind);
  Step accept_upgrade(std::string_view behind);
  Step begin_relaying_refusal(std::string_view behind);
  Step relay_refusal();
  Step take_refusal_body(std::string_view bytes);
  void queue_body(std::string_view body);
  void end_refusal_body();
  void watch_refusal();
  Step cut_refusal();
  Step refuse_upstream(const char* reason, std::string detail = {});
  Step on_upstream_lost();
  void log_dropped_fields(const UpstreamRequest& upstream);
  // Session::log_upstream; without `what` the kind says it all.
  void log_upstream(LogLevel level, const char* kind, std::string_view what = {});
  Step send_to_client(Step when_sent);
  bool send_out(Side side);  // false: the leg takes nothing any more
  void build_request();
  std::string target_for_log() const;
  std::string_view host_for_log() const;
  void log_refused(int status);

  Session& session_;
  Http1Parser request_parser_;
  std::unique_ptr<Http1Parser> answer_parser_;
  UpgradeRequest request_;
  UpgradeAnswer agreed_;
  std::vector<std::string_view> protocols_;  // offered upstream
  std::string early_[2];
  std::string out_;  // being sent: the request, then the answer
  size_t out_sent_ = 0;
  PeerWalk walk_;
  const char* reason_ = "";             // static text
  std::string detail_;                  // of the reason, for the log
  const char* peer_failure_ = nullptr;  // why the latest peer failed; static text
  const char* peer_timeout_ = nullptr;  // the directive that the latest late one was too slow for
  std::string peer_limit_;              // the same with its time
  uint64_t progress_ms_ = 0;            // relaying a refusal: when bytes last moved
  uint64_t refusal_ends_ms_ = 0;        // when it is cut off although they move
  Stage stage_ = Stage::reading_request;
  bool heard_ = false;         // the client sent at least a byte
  bool overloaded_ = false;    // there is no room for this session
  bool logged_ = false;        // its access line is written
  bool answer_begun_ = false;  // a byte of this peer's answer came: no other peer is asked
  bool refusal_done_ = false;  // the body's end is queued
};

}  // namespace sluice
