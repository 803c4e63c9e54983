// The bytes are written by this program, which judged what of them came from a peer: a fault here
// is rare, and ends the stream alone.
#include "protocol/http2_message.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "protocol/ascii.h"
#include "protocol/head.h"
#include "protocol/plain_http.h"

namespace sluice {

namespace {

// Of one connection of HTTP/1.1 (RFC 9113 8.2.2), of its handshake (RFC 8441 5), or told elsewhere.
constexpr std::array<std::string_view, 10> left_out = {
    "connection", "keep-alive", "proxy-connection",     "transfer-encoding", "upgrade",
    "host",       "te",         "sec-websocket-accept", "sec-websocket-key", "http2-settings"};

bool travels_on(std::string_view name) {
  for (const std::string_view each : left_out) {
    if (equals_ignoring_case(name, each)) return false;
  }
  return true;
}

// Its size was judged where it came from (max_answer_header_size).
Http1Parser::Limits limits() {
  Http1Parser::Limits limits;
  limits.head_bytes = SIZE_MAX / 2;
  return limits;
}

BodyLimits body_limits() {
  BodyLimits limits;
  limits.framing_bytes = UINT32_MAX / 2;
  return limits;
}

std::string_view text_of(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Http2Message::Http2Message(Http1Parser::Role role)
    : parser_(std::make_unique<Http1Parser>(role, limits())), role_(role) {}

Http2Message Http2Message::answer(bool websocket, bool to_head) {
  Http2Message message(Http1Parser::Role::response);
  message.asked_ = {.websocket = websocket, .to_head = to_head};
  if (to_head) message.parser_->answers_head_request();
  return message;
}

Http2Message Http2Message::request(bool secure) {
  Http2Message message(Http1Parser::Role::request);
  message.secure_ = secure;
  return message;
}

Http2Message::Step Http2Message::read(std::span<const uint8_t> bytes) {
  fields_.clear();
  if (over_) return {Kind::bad, 0};
  return parser_ != nullptr ? read_head(bytes) : read_body(bytes);
}

Http2Message::Step Http2Message::read_head(std::span<const uint8_t> bytes) {
  const Http1Parser::Fed fed = parser_->feed_head(text_of(bytes));
  if (fed.outcome == Http1Parser::Outcome::more) return {Kind::more, fed.consumed};
  if (fed.outcome == Http1Parser::Outcome::failed) {
    over_ = true;
    return {Kind::bad, fed.consumed};
  }
  return role_ == Http1Parser::Role::request ? take_request(fed.consumed)
                                             : take_answer(fed.consumed);
}

Http2Message::Step Http2Message::take_request(size_t consumed) {
  const RequestHead& head = parser_->request();
  MessageFraming framing;
  if (request_framing(head, framing)) {
    over_ = true;
    return {Kind::bad, consumed};
  }
  const std::string_view* const host = head.find("Host");
  const std::string_view* const key = head.find("Sec-WebSocket-Key");
  const std::string_view* const upgrade = head.find("Upgrade");
  asked_.websocket = upgrade != nullptr && equals_ignoring_case(*upgrade, "websocket");
  asked_.to_head = head.method == "HEAD";
  asked_.to_http10 = head.minor_version == 0;
  if (asked_.websocket && key != nullptr) asked_.key = *key;
  fields_.push_back({":method", asked_.websocket ? "CONNECT" : std::string(head.method)});
  if (asked_.websocket) fields_.push_back({":protocol", "websocket"});
  fields_.push_back({":scheme", secure_ ? "https" : "http"});
  if (host != nullptr) fields_.push_back({":authority", std::string(*host)});
  fields_.push_back({":path", std::string(head.target)});
  tell(head);
  if (asked_.websocket) {
    parser_.reset();
    over_ = true;
    return {Kind::tunnel, consumed};
  }
  begin_body(framing.kind, framing.length);
  return {Kind::head, consumed};
}

Http2Message::Step Http2Message::take_answer(size_t consumed) {
  const AnswerHead& head = parser_->answer();
  const bool upgraded = asked_.websocket && head.status == 101;
  // Whoever answers a request for a WebSocket with success and no 101 has not opened one, which
  // success alone would say here (RFC 8441 5).
  const bool misleading = asked_.websocket && !upgraded && head.status >= 200 && head.status < 300;
  fields_.push_back({":status", std::to_string(upgraded ? 200 : misleading ? 502 : head.status)});
  tell(head);
  if (upgraded) {
    parser_.reset();
    over_ = true;
    return {Kind::tunnel, consumed};
  }
  if (head.status < 200) {
    const bool fits = head.status != 101;  // HTTP/2 has none (RFC 9113 8.6)
    parser_->next_head();
    over_ = !fits;
    return {fits ? Kind::interim : Kind::bad, consumed};
  }
  begin_body(parser_->framing(), parser_->content_length());
  return {Kind::head, consumed};
}

void Http2Message::begin_body(BodyFraming framing, uint64_t length) {
  chunked_ = framing == BodyFraming::chunked;
  has_length_ = framing == BodyFraming::length;
  scanner_.emplace(framing, length, body_limits());
  parser_.reset();
}

// Payload is only looked at: how much of it is taken, took() says.
Http2Message::Step Http2Message::read_body(std::span<const uint8_t> bytes) {
  size_t consumed = 0;
  while (true) {
    if (scanner_->complete()) {
      over_ = true;
      tell_trailers();
      return {Kind::end, consumed};
    }
    const std::span<const uint8_t> rest = bytes.subspan(consumed);
    if (rest.empty()) return {Kind::more, consumed};
    if (const uint64_t left = scanner_->unseen_left(); left > 0) {
      if (consumed > 0) return {Kind::more, consumed};
      return {Kind::payload, static_cast<size_t>(std::min<uint64_t>(left, rest.size()))};
    }
    const BodyScanner::Piece piece = scanner_->next(rest);
    consumed += piece.bytes;
    coding_.append(text_of(rest.first(piece.bytes)));
    if (piece.verdict == BodyScanner::Verdict::bad || piece.payload) {
      over_ = true;
      return {Kind::bad, consumed};
    }
  }
}

void Http2Message::took(size_t payload_bytes) {
  if (payload_bytes == 0) return;
  scanner_->step_over(payload_bytes);
  coding_.clear();
}

void Http2Message::tell(const Head& head) {
  const bool asks_for_tunnel = role_ == Http1Parser::Role::request && asked_.websocket;
  for (const HeaderField& field : head.fields) {
    if (!travels_on(field.name)) continue;
    // A tunnel's request has no body to tell a length of (RFC 9110 9.3.6).
    if (asks_for_tunnel && equals_ignoring_case(field.name, "Content-Length")) continue;
    fields_.push_back({lower_case(field.name), std::string(field.value)});
  }
}

// What stands behind the payload: CRLF, the last chunk's line, trailers, the empty line. The
// scanner has judged it.
void Http2Message::tell_trailers() {
  if (!chunked_) return;
  std::string_view rest = coding_;
  if (rest.starts_with("\r\n")) rest.remove_prefix(2);
  bool first = true;
  while (!rest.empty()) {
    const size_t end = rest.find("\r\n");
    if (end == std::string_view::npos) return;
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    if (std::exchange(first, false)) continue;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || !travels_on(line.substr(0, colon))) continue;
    fields_.push_back(
        {lower_case(line.substr(0, colon)), std::string(without_blanks(line.substr(colon + 1)))});
  }
}

}  // namespace sluice
