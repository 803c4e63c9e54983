// Exchange: plain requests, whose body goes to the peer beside everything else, and whose
// connection may be kept. The answer may come before the request has ended.
#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "core/observe/limit_text.h"
#include "core/session/exchange.h"
#include "core/session/own_reply.h"
#include "core/session/upstream_request.h"

namespace sluice {

namespace {

constexpr const char* left_in_body = "client left inside its request's body";

std::string body_limit_text(uint64_t most_bytes, uint64_t length) {
  return "max_body_size " + size_text(most_bytes) + ", Content-Length is " + grouped_text(length);
}

}  // namespace

// Counted once a byte of it is there: most connections end where no next request comes.
void Exchange::note_heard() {
  lent_.worker.row.reused.add(1);
  lent_.arm(lent_.listener.client_header_timeout_ms);
}

Exchange::Step Exchange::begin_plain(const RouteConfig& route) {
  plain_ = true;
  const RequestHead& head = request_.head();
  if (!method_is_served(head.method)) return refuse({405, "method that is not forwarded"});
  if (auto refusal = request_framing(head, framing_)) return refuse(std::move(*refusal));
  if (framing_.length > route.max_body_bytes) {
    return refuse({413, "body too large", body_limit_text(route.max_body_bytes, framing_.length)});
  }
  return dial();
}

// The body's first bytes may have come with the head. What cannot be made twice is given to one
// peer alone.
void Exchange::begin_forwarding_plain() {
  asked_ms_ = lent_.now_ms();
  request_over_ = !framing_.has_body();
  if (!request_over_) {
    BodyLimits limits;
    limits.framing_bytes = lent_.listener.max_header_bytes;
    limits.payload_bytes = route_->max_body_bytes;
    request_body_.emplace(lent_.worker.transits.buffers(), framing_.kind, framing_.length, limits);
    const std::string_view early = request_.early();
    const size_t first =
        request_body_->begin_with({reinterpret_cast<const uint8_t*>(early.data()), early.size()});
    forward_->append(early.substr(0, first));
  }
  if (!may_be_repeated()) dial_->stay();
  lent_.arm(request_over_ ? route_->answer_timeout_ms : route_->body_timeout_ms);
}

Exchange::Step Exchange::run_forward() {
  const Forward::Step step = forward_->run();
  if (plain_) {
    if (const Step passed = pass_interim(); passed != Step::wait) return passed;
    if (step == Forward::Step::wait || step == Forward::Step::again) {
      const Step sent = run_request_body();
      if (sent != Step::wait) return sent;
    }
  }
  return follow(step);
}

Exchange::Step Exchange::run_answer() {
  const Step sent = run_request_body();
  if (sent != Step::wait && sent != Step::again) return sent;
  const Step step = follow(answer_relay_->run());
  return step == Step::wait ? sent : step;
}

Exchange::Step Exchange::pass_interim() {
  heads_out_.text() += forward_->take_interim();
  if (heads_out_.send(lent_.client) != Outgoing::Step::failed) return Step::wait;
  return abandon(client_left);
}

Exchange::Step Exchange::run_request_body() {
  if (!request_body_ || request_over_ || !forward_->request_sent()) return Step::wait;
  const BodyRelay::Step step = request_body_->run(lent_.client, lent_.upstream, lent_.now_ms());
  if (step == BodyRelay::Step::wait) return Step::wait;
  if (step == BodyRelay::Step::again) return Step::again;
  return end_request_body(step);
}

// A body that is not whole never looks whole to the peer: it lacks its end, which framing shows.
Exchange::Step Exchange::end_request_body(BodyRelay::Step step) {
  request_over_ = true;
  const BodyScanner& scanner = request_body_->scanner();
  switch (step) {
    case BodyRelay::Step::wait:
    case BodyRelay::Step::again:
      return Step::wait;
    case BodyRelay::Step::done:
      asked_ms_ = lent_.now_ms();
      if (stage_ == Stage::forwarding) lent_.arm(route_->answer_timeout_ms);
      return Step::wait;
    case BodyRelay::Step::target_gone:
      // It may have answered before it had all: what it said is still read.
      if (stage_ != Stage::forwarding) return Step::wait;
      lent_.upstream.read_to_the_end();
      return Step::again;
    case BodyRelay::Step::broke_off:
      return abandon(left_in_body);
    case BodyRelay::Step::bad:
      break;
  }
  if (stage_ == Stage::forwarding) {
    return refuse({scanner.status(), scanner.reason(), refused_body_text()});
  }
  abandon(scanner.reason());
  return Step::abort;
}

// What of a body is over a limit; "" where it is malformed.
std::string Exchange::refused_body_text() const {
  const BodyScanner& scanner = request_body_->scanner();
  switch (scanner.status()) {
    case 413:
      return "max_body_size " + size_text(route_->max_body_bytes) + ", a chunk goes beyond it";
    case 431:
      return limit_text("max_header_size", size_text(lent_.listener.max_header_bytes),
                        "the body's framing", scanner.framing_bytes(), "bytes");
    default:
      return "";
  }
}

// While the body moves the peer has time, then answer_timeout.
Exchange::Step Exchange::on_plain_timer() {
  const uint64_t now_ms = lent_.now_ms();
  const bool sends = request_body_ && !request_over_;
  const uint64_t since_ms = sends ? std::max(asked_ms_, request_body_->moved_ms()) : asked_ms_;
  const uint32_t limit_ms = sends ? route_->body_timeout_ms : route_->answer_timeout_ms;
  if (now_ms < since_ms + limit_ms) {
    lent_.arm(since_ms + limit_ms - now_ms);
    return Step::wait;
  }
  std::string limit = time_setting_text(sends ? "body_timeout" : "answer_timeout", limit_ms);
  const bool awaited = sends && forward_->request_sent() && request_body_->queued() == 0;
  if (awaited) return refuse({408, "body_timeout", std::move(limit)});
  const char* const reason = sends ? "body_timeout" : "answer_timeout";
  dial_->log(LogLevel::warn, reason, limit);
  dial_->note_fault(PeerFault::timeout);
  return refuse({504, reason, std::move(limit)});
}

// A conf that is in force no more, a worker that leaves and a drained listener get no next request.
bool Exchange::may_keep_connection() const {
  const ListenConfig& listener = lent_.listener;
  const bool more = listener.keepalive_requests == 0 || requests_ + 1 < listener.keepalive_requests;
  return wants_keep_alive(request_.head()) && listener.keepalive_timeout_ms > 0 && more &&
         request_whole() && answer_end_shows() && !lent_.worker.leaving &&
         &*lent_.worker.config == &lent_.config &&
         lent_.worker.drained.refusal(listener.id) == nullptr;
}

// What is left of a body that the peer did not want must not pass for the next request.
bool Exchange::request_whole() const {
  if (forward_ && !forward_->request_sent()) return false;
  return !framing_.has_body() || (request_body_ && request_body_->complete());
}

// A body is gone once it was sent on.
bool Exchange::may_be_repeated() const {
  return !framing_.has_body() && method_is_idempotent(request_.head().method);
}

// Only where the peer's next bytes can be nothing but an answer to the next request, and where
// nothing of this client is remembered there.
bool Exchange::may_keep_upstream() {
  if (!forward_) return false;  // an authorizer's answer
  const AnswerHead& answer = forward_->answer();
  return keeps_upstream_ && dial_->may_keep() && request_whole() && answer_end_shows() &&
         wants_keep_alive(answer) && !may_have_stray_body(request_.head(), answer) &&
         !binds_its_connection(request_.head()) && !binds_its_connection(answer) &&
         answer_relay_->body().take_behind().empty() && !lent_.upstream.input_ended &&
         !lent_.upstream.output_ended;
}

bool Exchange::answer_end_shows() const {
  return !forward_ || forward_->parser().framing() != BodyFraming::until_close;
}

Exchange::Step Exchange::relay_plain_answer() {
  const Http1Parser& parser = forward_->parser();
  if (request_.head().minor_version == 0 && parser.framing() == BodyFraming::chunked) {
    return leave_or_refuse({502, "chunked answer to HTTP/1.0"});
  }
  keeps_connection_ = may_keep_connection();
  AnswerHead head = build_plain_answer(parser.answer(), parser.framing(), parser.content_length(),
                                       keeps_connection_);
  add_ours(head);
  RelayedAnswer answer{.head = heads_out_.unsent(),
                       .framing = parser.framing(),
                       .length = parser.content_length(),
                       .timeout = "body_timeout",
                       .timeout_ms = route_->body_timeout_ms};
  answer.head += write_http1(head);
  answer.limits.framing_bytes = route_->max_answer_header_bytes;
  answer_relay_.emplace(lent_, *dial_, std::move(answer));
  stage_ = Stage::relaying_answer;
  const Step step = follow(answer_relay_->begin(forward_->behind()));
  return step == Step::wait ? run_request_body() : step;  // this turn's edges are its, too
}

Exchange::Step Exchange::end_plain() {
  log_end(served_status());
  if (answer_relay_ && may_keep_upstream()) dial_->keep();
  return keeps_connection_ ? Step::next : Step::linger;
}

// `return`. A body is not read: the connection ends with the answer.
Exchange::Step Exchange::reply(const Reply& reply) {
  plain_ = true;
  const RequestHead& head = request_.head();
  if (auto refusal = request_framing(head, framing_)) return refuse(std::move(*refusal));
  request_over_ = !framing_.has_body();
  keeps_connection_ = may_keep_connection() && !asks_for_websocket(head);
  const std::string location = location_for(lent_, reply.location, client_request());
  if (!reply.location.pieces().empty() && location.empty()) {
    return refuse({500, "return: a variable of its location has no value here"});
  }
  replied_ = reply.status;
  heads_out_.text() = reply_text(reply, location, head.method, keeps_connection_);
  stage_ = Stage::replying;
  lent_.arm(lent_.listener.lingering_timeout_ms);
  return run_reply();
}

// Whether a name is ours shows by what acme_dir holds (RFC 8555 8.3), also while the listener is
// drained.
Exchange::Step Exchange::tell_challenge(std::string_view name) {
  plain_ = true;
  const Challenges& known = lent_.worker.challenges;
  const auto found = known.find(name);
  if (found == known.end()) return refuse({404, "no such challenge"});
  return reply({200, {}, "application/octet-stream", found->second});
}

Exchange::Step Exchange::run_reply() {
  switch (heads_out_.send(lent_.client)) {
    case Outgoing::Step::sent:
      return end_plain();
    case Outgoing::Step::blocked:
      return Step::wait;
    case Outgoing::Step::failed:
      break;
  }
  return abandon(client_left);
}

int Exchange::served_status() const {
  if (stage_ == Stage::replying) return replied_;
  if (!plain_ || !answer_relay_) return 0;
  return forward_ ? forward_->answer().status : replied_;
}

KeptConnection Exchange::take_connection() {
  return {std::move(own_preface_), hop_.address, requests_ + 1};
}

std::string Exchange::take_behind() {
  return request_body_ ? request_body_->take_behind() : std::string(request_.early());
}

}  // namespace sluice
