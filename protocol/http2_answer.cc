// The bytes are written by this program, which judged what of them came from a peer: a fault here
// is rare, and ends the stream alone.
#include "protocol/http2_answer.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "protocol/ascii.h"
#include "protocol/head.h"

namespace sluice {

namespace {

// Of one connection of HTTP/1.1 (RFC 9113 8.2.2), and of its handshake (RFC 8441 5).
constexpr std::array<std::string_view, 6> left_out = {"connection",       "keep-alive",
                                                      "proxy-connection", "transfer-encoding",
                                                      "upgrade",          "sec-websocket-accept"};

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

Http2Answer::Http2Answer(bool websocket, bool to_head)
    : parser_(std::make_unique<Http1Parser>(Http1Parser::Role::response, limits())),
      websocket_(websocket) {
  if (to_head) parser_->answers_head_request();
}

Http2Answer::Step Http2Answer::read(std::span<const uint8_t> bytes) {
  fields_.clear();
  if (over_) return {Kind::bad, 0};
  return parser_ != nullptr ? read_head(bytes) : read_body(bytes);
}

Http2Answer::Step Http2Answer::read_head(std::span<const uint8_t> bytes) {
  const Http1Parser::Fed fed = parser_->feed_head(text_of(bytes));
  if (fed.outcome == Http1Parser::Outcome::more) return {Kind::more, fed.consumed};
  if (fed.outcome == Http1Parser::Outcome::failed) {
    over_ = true;
    return {Kind::bad, fed.consumed};
  }
  const AnswerHead& head = parser_->answer();
  const bool upgraded = websocket_ && head.status == 101;
  tell_head(head, upgraded);
  if (upgraded) {
    parser_.reset();
    over_ = true;
    return {Kind::tunnel, fed.consumed};
  }
  if (head.status < 200) {
    const bool fits = head.status != 101;  // HTTP/2 has none (RFC 9113 8.6)
    parser_->next_head();
    over_ = !fits;
    return {fits ? Kind::interim : Kind::bad, fed.consumed};
  }
  chunked_ = parser_->framing() == BodyFraming::chunked;
  has_length_ = parser_->framing() == BodyFraming::length;
  scanner_.emplace(parser_->framing(), parser_->content_length(), body_limits());
  parser_.reset();
  return {Kind::head, fed.consumed};
}

// Payload is only looked at: how much of it is taken, took() says.
Http2Answer::Step Http2Answer::read_body(std::span<const uint8_t> bytes) {
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

void Http2Answer::took(size_t payload_bytes) {
  if (payload_bytes == 0) return;
  scanner_->step_over(payload_bytes);
  coding_.clear();
}

void Http2Answer::tell_head(const AnswerHead& head, bool upgraded) {
  fields_.push_back({":status", std::to_string(upgraded ? 200 : head.status)});
  for (const HeaderField& field : head.fields) {
    if (!travels_on(field.name)) continue;
    fields_.push_back({lower_case(field.name), std::string(field.value)});
  }
}

// What stands behind the payload: CRLF, the last chunk's line, trailers, the empty line. The
// scanner has judged it.
void Http2Answer::tell_trailers() {
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
