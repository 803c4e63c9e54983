// Error answers: what a client is told that gets no session. Its reason becomes advice in plain
// words, from one table; what is behind this server is never told.
#pragma once

#include <string>
#include <string_view>

#include "protocol/head.h"

namespace sluice {

// The reason of a refusal for want of a session's place.
inline constexpr const char* overload_reason = "worker_connections reached";

// The reason of a refusal because more clients come at once than may.
inline constexpr const char* handshake_rate_reason = "handshake_rate reached";

// The same for what is drained.
inline constexpr const char* drained_reason = "drained";

// The same where no name of a server has led to an address so far.
inline constexpr const char* unresolved_reason = "no server's name has an address yet";

// The same where every server that could be asked has as many sessions as it may.
inline constexpr const char* peers_full_reason = "max_connections reached";

// `deny`: the client's address is not let in.
inline constexpr const char* denied_reason = "client's address is denied";

// A page opened the WebSocket that allowed_origins does not have.
inline constexpr const char* origin_reason = "origin not allowed";

// require_subprotocol: the client offers none that it may speak here.
inline constexpr const char* subprotocol_reason = "no subprotocol that is spoken here";

// The same where it could not be found out whether the client may come in.
inline constexpr const char* no_verdict_reason = "auth_request: no verdict";
// limit_connections: this client has as many as one may, or all clients have; limit_handshakes: it
// comes too often; and there is no room to count it.
inline constexpr const char* client_connections_reason = "limit_connections per client reached";
inline constexpr const char* route_connections_reason = "limit_connections per route reached";
inline constexpr const char* client_handshakes_reason = "limit_handshakes per client reached";
inline constexpr const char* client_table_reason = "client_table_size reached";
// auth_basic: no user and password, or not the right ones.
inline constexpr const char* no_password_reason = "no user and password";
inline constexpr const char* wrong_password_reason = "wrong user or password";

// As many passwords wait to be checked as may, or one has waited too long.
inline constexpr const char* password_queue_reason = "auth_basic_queue reached";
inline constexpr const char* password_late_reason = "auth_basic_timeout";

// An answer of our own with a short text body. To a HEAD goes the head alone (RFC 9110 9.3.2).
struct ErrorAnswer {
  AnswerHead head;
  std::string body;
};

// The body says the status, what was wrong, what to do, and the request id, which stands in the
// logs and in the field X-Request-Id as well. The head has Connection: close, Cache-Control:
// no-store, and what the status demands: 401
// WWW-Authenticate, with that challenge, 405 Allow, with these methods, 426 Upgrade, Connection and
// Sec-WebSocket-Version, 503 Retry-After, with so many seconds. `reason` is the log's; one that the
// table does not have is named as it stands where the status has no advice of its own (400), else
// not at all. `request_id` holds nothing that a field's value may not, and outlives the head.
// no-store, and what the status demands: 405 Allow, with these
// methods, 426 Upgrade, Connection and Sec-WebSocket-Version, 429 and 503 Retry-After, with so
// many seconds. `reason` is the log's; one that the table does not have is named as it stands where
// the status has no advice of its own (400), else not at all. `request_id` holds nothing that a
// field's value may not, and outlives the head.
ErrorAnswer build_error_answer(int status, std::string_view reason, std::string_view request_id,
                               uint32_t retry_after_s = 1, std::string_view allow = "GET",
                               std::string_view challenge = "Bearer");
std::string_view status_text(int status);

}  // namespace sluice
