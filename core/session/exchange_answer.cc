// Exchange: what becomes of a peer's answer: a 101 on its way to the client, or another one that is
// relayed.
#include <algorithm>
#include <string>
#include <utility>

#include "core/observe/limit_text.h"
#include "core/session/answer_fields.h"
#include "core/session/exchange.h"
#include "core/session/upstream_request.h"

namespace sluice {

Exchange::Step Exchange::take_answer() {
  const int status = forward_->answer().status;
  if (trace_ != nullptr) trace_answer();
  if (status == 101) {
    if (plain_) return leave_or_refuse({502, "101 to a request without an upgrade"});
    return accept_upgrade();
  }
  // It ended the kept connection before it had the request (RFC 9110 15.5.9).
  if (status == 408 && dial_->reused()) return follow(dial_->redial());
  if (!route_->next_peer_on.has(status)) {
    dial_->note_answer();
  } else if (dial_->may_leave(PeerFault::status, status)) {
    return follow(dial_->leave(PeerFault::status,
                               "answered " + std::to_string(status) + ", which next_peer_on names",
                               "an answer that next_peer_on names, and no other peer"));
  } else {
    dial_->note_fault(PeerFault::status);
  }
  if (plain_) return relay_plain_answer();
  reason_ = "refused by the upstream";
  log_end(status);
  return relay_answer();
}

// What the route says of an answer's fields, and the cookie that names its peer.
void Exchange::add_ours(AnswerHead& answer) const {
  change_answer(lent_, *route_, client_request(), answer);
  const Upstream& upstream = lent_.worker.upstreams.at(route_->upstream);
  std::string cookie = sticky_cookie(upstream.settings().sticky, upstream.token(dial_->peer()->id),
                                     wish_, hop_.over_tls);
  if (!cookie.empty()) answer.add_made("Set-Cookie", std::move(cookie));
}

// A refusal is an answer without end where its upstream likes, so it gets a time in all.
Exchange::Step Exchange::relay_answer() {
  constexpr uint64_t most_send_timeouts = 12;
  const Http1Parser& parser = forward_->parser();
  AnswerHead head = build_refusal_head(parser.answer(), parser.framing(), parser.content_length());
  add_ours(head);
  RelayedAnswer answer{.head = write_http1(head),
                       .framing = parser.framing(),
                       .length = parser.content_length(),
                       .timeout = "send_timeout",
                       .timeout_ms = route_->send_timeout_ms,
                       .most_timeouts = most_send_timeouts};
  answer.limits.framing_bytes = route_->max_answer_header_bytes;
  answer_relay_.emplace(lent_, *dial_, std::move(answer));
  stage_ = Stage::relaying_answer;
  return follow(answer_relay_->begin(forward_->behind()));
}

Exchange::Step Exchange::accept_upgrade() {
  if (!forward_->request_sent()) return leave_or_refuse({502, "101 before the request was whole"});
  const AnswerHead& head = forward_->answer();
  const char* wrong =
      check_upgrade_answer(head, upgrade_.key, protocols_, upgrade_.deflate_offers, agreed_);
  if (wrong != nullptr) return leave_or_refuse({502, wrong});
  dial_->note_answer();
  AnswerHead answer = build_client_answer(head, upgrade_.key, agreed_);
  add_ours(answer);
  heads_out_.text() = write_http1(answer);
  stage_ = Stage::sending_101;  // what is left of handshake_timeout is the client's to take it
  return send_upgrade();
}

Exchange::Step Exchange::send_upgrade() {
  switch (heads_out_.send(lent_.client)) {
    case Outgoing::Step::sent:
      if (trace_ != nullptr)
        trace_->note("verdict", "101 was sent to the client: the session begins");
      return Step::relay;
    case Outgoing::Step::blocked:
      return Step::wait;
    case Outgoing::Step::failed:
      break;
  }
  return abandon(client_left);
}

// An answer that has begun is this peer's: no other one is asked.
Exchange::Step Exchange::refuse_late_answer() {
  std::string limit = time_setting_text("handshake_timeout", route_->handshake_timeout_ms);
  dial_->log(LogLevel::warn, "handshake_timeout inside its answer", limit + " inside its answer");
  dial_->note_fault(PeerFault::timeout);
  return refuse({504, "handshake_timeout", std::move(limit)});
}

Exchange::Step Exchange::follow(AnswerRelay::Step step) {
  switch (step) {
    case AnswerRelay::Step::wait:
      return Step::wait;
    case AnswerRelay::Step::again:
      return Step::again;
    case AnswerRelay::Step::done:
      return plain_ ? end_plain() : Step::linger;
    case AnswerRelay::Step::client_left:
      return abandon(client_left);
    case AnswerRelay::Step::broken:
      reason_ = "the body of its answer is not whole";
      if (plain_) log_end(served_status());
      return answer_relay_->end_shows() ? Step::linger : Step::abandon;
    case AnswerRelay::Step::cut_off:
      break;
  }
  return abandon(answer_relay_->reason());
}

bool Exchange::answer_stalled() const {
  return stage_ == Stage::relaying_answer && answer_relay_->body().stalled();
}

bool Exchange::request_stalled() const {
  return request_body_ && lent_.upstream.is_open() && request_body_->stalled();
}

bool Exchange::check_stall() {
  const auto now_ms = static_cast<uint32_t>(lent_.now_ms());
  if (request_stalled()) request_body_->check_stall(lent_.client, lent_.upstream, now_ms);
  if (answer_stalled()) {
    answer_relay_->body().check_stall(lent_.upstream, lent_.client, now_ms);
  }
  return stalled();
}

uint32_t Exchange::stalled_for_ms() const {
  const auto now_ms = static_cast<uint32_t>(lent_.now_ms());
  uint32_t longest_ms = 0;
  if (request_stalled()) longest_ms = now_ms - request_body_->nothing_delivered_since_ms();
  if (answer_stalled()) {
    const BodyRelay& body = answer_relay_->body();
    longest_ms = std::max(longest_ms, now_ms - body.nothing_delivered_since_ms());
  }
  return longest_ms;
}

}  // namespace sluice
