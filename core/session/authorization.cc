// Authorization: one GET, and what its answer means. A body is read where it belongs to a refusal
// and is short; a connection of which nothing more comes is kept for the next one to be asked.
#include "core/session/authorization.h"

#include <algorithm>
#include <new>
#include <utility>

#include "core/observe/limit_text.h"
#include "core/session/auth_request.h"
#include "core/session/masked_head.h"
#include "core/session/variables.h"
#include "protocol/plain_http.h"

namespace sluice {

namespace {

constexpr const char* half_an_answer = "its answer broke off";

constexpr const char* answer_rightly =
    "it must answer 2xx to let a client in, 401 or 403 to refuse it; a page to sign in at is for "
    "its 401 to name";
constexpr const char* let_it_run = "see whether it runs, and whether auth_request names it rightly";

std::string status_detail(int status) {
  return "answered " + std::to_string(status);
}

bool has_text(const std::string& detail) {
  return !detail.empty();
}

}  // namespace

Authorization::Authorization(const SessionContext& lent, const RouteConfig& route)
    : lent_(lent), route_(route) {}

Authorization::Step Authorization::begin(const ClientRequest& client) {
  text_ = auth_request_text(lent_, way(), client);
  bound_ = binds_its_connection(client.head);
  if (route_.auth_cache_ms > 0) {
    key_ = auth_cache_key(lent_, route_, text_);
    if (const AuthVerdict* const known = lent_.worker.auth_cache.find(*key_, lent_.now_ms())) {
      verdict_ = known->copy();
      lent_.worker.row.auth.from_cache.add(1);
      trace("auth_request", "known by auth_cache");
      return decided();
    }
  }
  dial_.emplace(lent_, way());
  dial_->may_reuse();  // a GET may be made twice
  return follow(dial_->begin({}));
}

Authorization::Step Authorization::run() {
  if (!forward_) return follow(dial_->run());
  return scanner_ ? read_body() : follow(forward_->run());
}

Authorization::Step Authorization::on_timer() {
  if (!forward_) return follow(dial_->on_timer());
  const std::string limit = time_setting_text("auth_timeout", way().handshake_timeout_ms);
  if (!forward_->begun()) {
    forward_.reset();
    return follow(dial_->leave(PeerFault::timeout, limit, "auth_timeout"));
  }
  dial_->note_fault(PeerFault::timeout);
  return fail(limit + " inside its answer", "see why it is slow, or raise auth_timeout");
}

Authorization::Step Authorization::follow(Dial::Step step) {
  switch (step) {
    case Dial::Step::wait:
      return Step::wait;
    case Dial::Step::again:
      return Step::again;
    case Dial::Step::failed: {
      const Refusal& refusal = dial_->refusal();
      return fail(
          has_text(refusal.detail) ? refusal.reason + (": " + refusal.detail) : refusal.reason,
          let_it_run);
    }
    case Dial::Step::ready:
      break;
  }
  std::string text = dial_->may_keep() && !bound_ ? text_ : with_connection_close(text_);
  trace_sent();
  forward_.emplace(lent_.upstream, std::move(text), way().max_answer_header_bytes);
  return run();
}

Authorization::Step Authorization::follow(Forward::Step step) {
  switch (step) {
    case Forward::Step::wait:
      return Step::wait;
    case Forward::Step::again:
      return Step::again;
    case Forward::Step::answered:
      return take_answer();
    case Forward::Step::malformed:
      return leave_or_fail(PeerFault::invalid_answer, "answered malformed",
                           std::string("its answer is malformed: ") + forward_->parser().reason());
    case Forward::Step::lost:
      break;
  }
  if (forward_->begun()) {
    return leave_or_fail(PeerFault::invalid_answer, half_an_answer, half_an_answer);
  }
  const char* const failure = forward_->why();
  forward_.reset();
  if (dial_->reused()) return follow(dial_->redial());
  return follow(dial_->leave(PeerFault::error, failure, failure));
}

Authorization::Step Authorization::take_answer() {
  const int status = forward_->answer().status;
  trace_answer();
  // It ended the kept connection before it had the request (RFC 9110 15.5.9).
  if (status == 408 && dial_->reused()) {
    forward_.reset();
    return follow(dial_->redial());
  }
  if (!way().next_peer_on.has(status)) {
    dial_->note_answer();
  } else if (dial_->may_leave(PeerFault::status, status)) {
    forward_.reset();
    return follow(dial_->leave(PeerFault::status,
                               status_detail(status) + ", which next_peer_on names",
                               "an answer that next_peer_on names, and no other peer"));
  } else {
    dial_->note_fault(PeerFault::status);
  }
  if (status >= 200 && status <= 299) return admit();
  if (status == 401 || status == 403) return begin_body();
  return fail(status_detail(status), answer_rightly);
}

// A body of such an answer says nothing to anybody, and is not awaited.
Authorization::Step Authorization::admit() {
  const AnswerHead& answer = forward_->answer();
  verdict_.begin(answer.status, answer.reason);
  for (const HeaderField& field : answer.fields) {
    const bool named =
        std::any_of(route_.auth_fields.begin(), route_.auth_fields.end(),
                    [&field](const std::string& name) { return names_field(name, field.name); });
    if (named) verdict_.add(field.name, field.value);
  }
  body_ = forward_->behind();
  scanner_.emplace(forward_->parser().framing(), forward_->parser().content_length(),
                   BodyLimits{.framing_bytes = way().max_answer_header_bytes});
  const BodyScanner::Scan scan =
      scanner_->scan({reinterpret_cast<const uint8_t*>(body_.data()), body_.size()});
  judged_ = scan.accepted;
  remember();
  let_go();
  return decided();
}

Authorization::Step Authorization::begin_body() {
  const AnswerHead& answer = forward_->answer();
  verdict_.begin(answer.status, answer.reason);
  for (const HeaderField& field : answer.fields) verdict_.add(field.name, field.value);
  const Http1Parser& parser = forward_->parser();
  BodyLimits limits;
  limits.framing_bytes = way().max_answer_header_bytes;
  scanner_.emplace(parser.framing(), parser.content_length(), limits);
  // What has come already is told by no further edge.
  const Step step = take_body(forward_->behind());
  return step == Step::wait ? read_body() : step;
}

Authorization::Step Authorization::read_body() {
  for (int round = 0; lent_.upstream.readable; ++round) {
    if (round == Forward::read_rounds) return Step::again;
    char bytes[BodyRelay::most_behind_bytes];
    const iovec piece{bytes, BodyRelay::most_behind_bytes - body_.size()};
    const Io io = lent_.upstream.recv({&piece, 1});
    if (io.state == Io::State::blocked) break;
    if (io.state == Io::State::ended && scanner_->may_end()) return refuse();
    if (io.state != Io::State::open) {
      return leave_or_fail(PeerFault::invalid_answer, half_an_answer, half_an_answer);
    }
    if (const Step step = take_body({bytes, io.bytes}); step != Step::wait) return step;
  }
  return Step::wait;
}

Authorization::Step Authorization::take_body(std::string_view bytes) {
  body_.append(bytes);
  for (;;) {
    const std::span<const uint8_t> rest(reinterpret_cast<const uint8_t*>(body_.data()) + judged_,
                                        body_.size() - judged_);
    const BodyScanner::Piece piece = scanner_->next(rest);
    if (piece.payload) verdict_.body.append(body_, judged_, piece.bytes);
    judged_ += piece.bytes;
    if (piece.verdict == BodyScanner::Verdict::complete) return refuse();
    if (piece.verdict == BodyScanner::Verdict::bad) {
      return leave_or_fail(PeerFault::invalid_answer, "answered malformed",
                           std::string("its body is malformed: ") + scanner_->reason());
    }
    if (piece.bytes == 0) break;
  }
  if (body_.size() < BodyRelay::most_behind_bytes) return Step::wait;
  lent_.worker.row.auth.refused.add(1);
  return Step::unfinished;
}

Authorization::Step Authorization::refuse() {
  remember();
  let_go();
  return decided();
}

Authorization::Step Authorization::decided() {
  AuthCounters& counters = lent_.worker.row.auth;
  (verdict_.admits() ? counters.admitted : counters.refused).add(1);
  return verdict_.admits() ? Step::admitted : Step::refused;
}

// What one client was given is not another one's, who may look the same.
void Authorization::remember() {
  const AnswerHead& answer = forward_->answer();
  if (!key_ || answer.find("Set-Cookie") != nullptr ||
      has_list_token(answer, "Cache-Control", "no-store")) {
    return;
  }
  lent_.worker.auth_cache.keep(*key_, verdict_.copy(), lent_.now_ms() + route_.auth_cache_ms,
                               lent_.config.auth_cache_size);
}

void Authorization::let_go() {
  if (may_keep()) {
    dial_->keep();
  } else {
    lent_.upstream.close(lent_.worker.reactor, End::orderly);
  }
  forward_.reset();
  scanner_.reset();
  dial_.reset();
}

// Only where the next bytes can be nothing but the answer to the next request.
bool Authorization::may_keep() const {
  const AnswerHead& answer = forward_->answer();
  RequestHead asked;
  asked.method = "GET";
  return dial_->may_keep() && forward_->request_sent() && scanner_->complete() &&
         judged_ == body_.size() && forward_->parser().framing() != BodyFraming::until_close &&
         wants_keep_alive(answer) && !may_have_stray_body(asked, answer) && !bound_ &&
         !binds_its_connection(answer) && !lent_.upstream.input_ended &&
         !lent_.upstream.output_ended;
}

// What came of this peer is no answer.
Authorization::Step Authorization::leave_or_fail(PeerFault fault, const char* reason,
                                                 std::string detail) {
  if (dial_->may_leave(fault)) {
    forward_.reset();
    scanner_.reset();
    body_.clear();
    judged_ = 0;
    verdict_ = {};
    return follow(dial_->leave(fault, detail, reason));
  }
  dial_->note_fault(fault);
  return fail(std::move(detail), let_it_run);
}

// The operator is the one who can mend it.
Authorization::Step Authorization::fail(std::string detail, const char* remedy) {
  lent_.worker.row.auth.failed.add(1);
  detail_ = std::move(detail);
  const std::string& name = lent_.config.upstream(way().upstream).name;
  lent_.worker.log.recurring(LogLevel::error, name,
                             name + ": no verdict, " + detail_ + ": request " + lent_.id_text() +
                                 " is answered 503; " + remedy);
  forward_.reset();
  scanner_.reset();
  lent_.upstream.close(lent_.worker.reactor, End::orderly);
  dial_.reset();
  verdict_ = {};
  return Step::failed;
}

void Authorization::trace(const char* step, std::string_view text) const noexcept {
  if (lent_.trace != nullptr) lent_.trace->note(step, text);
}

void Authorization::trace_sent() const noexcept try {
  if (lent_.trace == nullptr) return;
  for (const std::string& line : masked_request_lines(text_)) trace("asked", line);
} catch (const std::bad_alloc&) {
  lent_.trace->lose();
}

void Authorization::trace_answer() const noexcept try {
  if (lent_.trace == nullptr) return;
  for (const std::string& line : masked_lines(forward_->answer())) trace("auth_request", line);
} catch (const std::bad_alloc&) {
  lent_.trace->lose();
}

}  // namespace sluice
