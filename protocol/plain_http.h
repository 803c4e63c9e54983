// Plain HTTP/1.1 messages on their way through: how a request's body is framed, which requests may
// be made twice, and the heads as the next hop gets them (RFC 9112 section 6, RFC 9110 7.6.1).
// Pure functions; what becomes of an upgrade is handshake.h's.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "protocol/body.h"
#include "protocol/handshake.h"
#include "protocol/head.h"
#include "protocol/http1.h"

namespace sluice {

struct MessageFraming {
  BodyFraming kind = BodyFraming::none;
  uint64_t length = 0;  // with BodyFraming::length

  bool has_body() const {
    return kind == BodyFraming::chunked || (kind == BodyFraming::length && length > 0);
  }
};

// How the request's body ends (RFC 9112 6.3), or why its end could be read in two ways: both
// Transfer-Encoding and Content-Length, either of them twice, a length that is not digits alone, a
// coding other than chunked.
std::optional<Refusal> request_framing(const RequestHead& head, MessageFraming& framing);

// Methods that nobody forwards: CONNECT asks for a tunnel, and TRACE sends secrets back to scripts
// (RFC 9110 9.3.6, 9.3.8).
bool method_is_served(std::string_view method);
// What is told to who asks with one of those (RFC 9110 10.2.1): any other goes through, and these
// are those that everybody knows.
inline constexpr const char* served_methods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
// Making it twice comes to the same as making it once (RFC 9110 9.2.2).
bool method_is_idempotent(std::string_view method);
// Whether it asks for the options of a server as a whole: the next hop's target is "*" then
// (RFC 9112 3.2.4). `target` is the head's.
bool asks_of_server(const RequestHead& head, const RequestTarget& target);
// Whether its connection may stay open behind the exchange, as far as that message says (RFC 9112
// 9.3). One of HTTP/1.0 may not.
bool wants_keep_alive(const Head& head);

// Whether the message belongs to an authentication that its connection has, not each request on it
// (RFC 4559 section 6; NTLM is the same): nobody else may go on there.
bool binds_its_connection(const Head& head);
// Whether an answer that has no body was told of one: its sender may send that nevertheless.
bool may_have_stray_body(const RequestHead& request, const AnswerHead& answer);

// The request as the next hop gets it. One of HTTP/1.0 stays one, so that its answer has no coding
// that its client cannot read; its connection ends with the answer.
RequestHead build_plain_request(const RequestHead& head, const MessageFraming& framing,
                                const UpstreamRequest& upstream);

// The answer's head as the client gets it: status, reason and end-to-end fields, how its body ends,
// which travels as it came, and whether the connection stays.
AnswerHead build_plain_answer(const AnswerHead& head, BodyFraming framing, uint64_t content_length,
                              bool keep_alive);
// An interim answer (1xx) as the client gets it.
AnswerHead build_interim_answer(const AnswerHead& head);

}  // namespace sluice
