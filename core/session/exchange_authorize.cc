// Exchange: what follows upon an authorizer's verdict (auth_request). The client's body waits
// unread, and nothing went to an upstream.
#include <string>
#include <utility>

#include "core/session/answer_fields.h"
#include "core/session/exchange.h"

namespace sluice {

namespace {

const char* verdict_reason(int status) {
  return status == 401 ? "auth_request: 401" : "auth_request: 403";
}

}  // namespace

Exchange::Step Exchange::authorize() {
  if (route_->authorizer.empty()) return enter();
  if (auto refusal = request_framing(request_.head(), framing_)) {
    return refuse(std::move(*refusal));
  }
  authorization_ = std::make_unique<Authorization>(lent_, *route_);
  stage_ = Stage::authorizing;
  return follow(authorization_->begin(client_request()));
}

Exchange::Step Exchange::follow(Authorization::Step step) {
  switch (step) {
    case Authorization::Step::wait:
      return Step::wait;
    case Authorization::Step::again:
      return Step::again;
    case Authorization::Step::admitted:
      plain_ = false;  // what it is, the next step says
      return enter();
    case Authorization::Step::refused:
      return tell_verdict(BodyFraming::length, authorization_->verdict().body.size());
    case Authorization::Step::unfinished:
      return relay_verdict();
    case Authorization::Step::failed:
      break;
  }
  return refuse({503, no_verdict_reason, authorization_->detail()});
}

// The answer as a whole. To a HEAD goes its head alone.
Exchange::Step Exchange::tell_verdict(BodyFraming framing, uint64_t length) {
  const AuthVerdict& verdict = authorization_->verdict();
  replied_ = static_cast<uint16_t>(verdict.head.status);
  reason_ = verdict_reason(replied_);
  keeps_connection_ = plain_ && !upgrades_ && may_keep_connection();
  AnswerHead head = plain_ ? build_plain_answer(verdict.head, framing, length, keeps_connection_)
                           : build_refusal_head(verdict.head, framing, length);
  change_answer(lent_, *route_, client_request(), head);
  std::string text = write_http1(head);
  if (request_.head().method != "HEAD") text += verdict.body;
  lent_.arm(lent_.listener.lingering_timeout_ms);
  if (plain_) {
    heads_out_.text() = std::move(text);
    stage_ = Stage::replying;
    return run_reply();
  }
  log_end(replied_);
  own_answer_.emplace(lent_.client, std::move(text));
  stage_ = Stage::refusing;
  return follow(own_answer_->run());
}

// Its body is long: it goes to the client as it comes.
Exchange::Step Exchange::relay_verdict() {
  constexpr uint64_t most_send_timeouts = 12;  // as of an upstream's refusal
  const AuthVerdict& verdict = authorization_->verdict();
  const Http1Parser& parser = authorization_->parser();
  const BodyFraming framing = parser.framing();
  if (request_.head().method == "HEAD") {
    lent_.upstream.close(lent_.worker.reactor, End::orderly);
    return tell_verdict(framing, parser.content_length());
  }
  if (request_.head().minor_version == 0 && framing == BodyFraming::chunked) {
    return refuse({503, no_verdict_reason, "chunked answer to HTTP/1.0"});
  }
  replied_ = static_cast<uint16_t>(verdict.head.status);
  reason_ = verdict_reason(replied_);
  keeps_connection_ =
      plain_ && !upgrades_ && framing != BodyFraming::until_close && may_keep_connection();
  AnswerHead head =
      plain_ ? build_plain_answer(verdict.head, framing, parser.content_length(), keeps_connection_)
             : build_refusal_head(verdict.head, framing, parser.content_length());
  change_answer(lent_, *route_, client_request(), head);
  RelayedAnswer answer{.head = write_http1(head),
                       .framing = framing,
                       .length = parser.content_length(),
                       .timeout = plain_ ? "body_timeout" : "send_timeout",
                       .timeout_ms = plain_ ? route_->body_timeout_ms : route_->send_timeout_ms,
                       .most_timeouts = plain_ ? UINT64_MAX : most_send_timeouts};
  answer.limits.framing_bytes = route_->max_answer_header_bytes;
  if (!plain_) log_end(replied_);
  answer_relay_.emplace(lent_, authorization_->dial(), std::move(answer));
  stage_ = Stage::relaying_answer;
  return follow(answer_relay_->begin(authorization_->begun()));
}

}  // namespace sluice
