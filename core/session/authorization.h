// Authorization: what the route's authorizer says of a request (auth_request). It is asked on the
// upstream's leg, before any upstream is, and knows nothing of what becomes of the request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/config.h"
#include "core/session/auth_verdict.h"
#include "core/session/body_relay.h"
#include "core/session/dial.h"
#include "core/session/forward.h"
#include "core/session/session_context.h"
#include "core/session/upstream_request.h"
#include "protocol/body.h"
#include "tls/digest.h"

namespace sluice {

//   begin --> [known by auth_cache] ------------------------------> admitted, refused
//         --> dialling --> asking --> 2xx ------------------------> admitted
//                                 --> 401, 403 --> reading a body -> refused
//                                                  a long one -----> unfinished
//             any of them --> another of its peers, or failed
class Authorization {
 public:
  enum class Step : uint8_t {
    wait,        // for readiness or the timer
    again,       // let others run first, then run()
    admitted,    // it may go on; the leg is free
    refused,     // verdict() is what the client is told; the leg is free
    unfinished,  // the same, but for the body: it comes on the leg, begun() is its beginning
    failed,      // there is no verdict; detail() says why, and the log was told. The leg is closed.
  };

  // Both outlive this; the route has an authorizer.
  Authorization(const SessionContext& lent, const RouteConfig& route);

  // Once.
  Step begin(const ClientRequest& client);
  Step run();
  // The time is over that the authorizer had: connect_timeout, then auth_timeout.
  Step on_timer();

  // Before `admitted` and `refused` empty. Of `admitted` the fields that the route names.
  const AuthVerdict& verdict() const { return verdict_; }
  // After `failed`: for the log.
  const std::string& detail() const { return detail_; }
  // After `unfinished`.
  const Dial& dial() const { return *dial_; }
  const Http1Parser& parser() const { return forward_->parser(); }
  std::string_view begun() const { return body_; }

 private:
  const RouteConfig& way() const { return route_.authorizer.front(); }
  Step follow(Dial::Step step);
  Step follow(Forward::Step step);
  Step take_answer();
  Step admit();
  Step begin_body();
  Step read_body();
  Step take_body(std::string_view bytes);
  Step refuse();
  Step decided();
  void let_go();
  bool may_keep() const;
  void remember();
  Step leave_or_fail(PeerFault fault, const char* reason, std::string detail);
  Step fail(std::string detail, const char* remedy);
  void trace(const char* step, std::string_view text) const noexcept;
  void trace_sent() const noexcept;
  void trace_answer() const noexcept;

  const SessionContext& lent_;
  const RouteConfig& route_;
  std::string text_;           // the request
  std::optional<Digest> key_;  // of the verdict; nothing: none is kept
  std::optional<Dial> dial_;   // nothing once there is a verdict
  std::optional<Forward> forward_;
  std::optional<BodyScanner> scanner_;  // of a refusal's body
  std::string body_;                    // as it came, up to BodyRelay::most_behind_bytes
  size_t judged_ = 0;                   // of it
  AuthVerdict verdict_;
  std::string detail_;
  bool bound_ = false;  // the client's credentials are its connection's
};

}  // namespace sluice
