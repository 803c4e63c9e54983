// Exchange, the client's half: its request in, our answer out. exchange_upstream.cc is the other
// half.
#include "core/session/exchange.h"

#include <algorithm>
#include <new>
#include <utility>

#include "core/observe/access_log.h"
#include "core/observe/limit_text.h"
#include "core/router.h"
#include "core/session/session.h"
#include "protocol/error_answer.h"
#include "protocol/preface.h"

namespace sluice {

namespace {

// One recv of a head takes at most this much, so that early frames behind it fit any ring.
constexpr size_t head_read_bytes = most_early_bytes;

// What is logged at most of a target or Host that was not understood.
constexpr size_t most_unread_bytes = 256;

// Of a client's host and target, in the error log.
constexpr size_t most_notice_value_bytes = 200;

std::string header_timeout_text(const ListenConfig& listener) {
  return time_setting_text("client_header_timeout", listener.client_header_timeout_ms);
}

Http1Parser::Limits request_limits(const ListenConfig& listener) {
  Http1Parser::Limits limits;
  limits.head_bytes = listener.max_header_bytes;
  limits.fields = listener.max_header_fields;
  return limits;
}

}  // namespace

Exchange::Exchange(Session& session)
    : session_(session),
      request_parser_(Http1Parser::Role::request, request_limits(session.listener())) {}

Exchange::Step Exchange::begin(bool overloaded) {
  overloaded_ = overloaded;
  session_.arm_timer(session_.listener().client_header_timeout_ms);
  Leg& client = session_.leg(Side::client);
  if (session_.listener().tls != nullptr) {
    stage_ = Stage::securing_client;
    return Step::wait;
  }
  if (!overloaded) return Step::wait;
  client.writable = true;  // a new connection takes an answer at once
  return refuse(503, overload_reason);
}

Exchange::Step Exchange::on_ready(Side side, Readiness ready) {
  // A client that closed only its sending half may still want its answer; one that is gone may not.
  const bool reading = stage_ == Stage::reading_request || stage_ == Stage::securing_client;
  if (side == Side::client && (ready.failed || ready.hung_up) && !reading) {
    reason_ = client_left;
    return Step::abandon;
  }
  return on_run();
}

Exchange::Step Exchange::on_run() {
  switch (stage_) {
    case Stage::securing_client:
      return secure_client();
    case Stage::reading_request:
      return read_request();
    case Stage::connecting:
      return session_.leg(Side::upstream).writable ? on_connected() : Step::wait;
    case Stage::securing_upstream:
      return secure_upstream();
    case Stage::awaiting_answer:
      return forward();
    case Stage::accepting:
      return send_to_client(Step::relay);
    case Stage::refusing:
      return send_to_client(Step::linger);
    case Stage::relaying_refusal:
      return relay_refusal();
  }
  return Step::wait;
}

Exchange::Step Exchange::on_timer() {
  switch (stage_) {
    case Stage::securing_client:
      if (!heard_) return abandon_silent();
      return end_without_tls("client_header_timeout in the TLS handshake",
                             header_timeout_text(session_.listener()));
    case Stage::reading_request:
      if (!heard_) return abandon_silent();
      return refuse(408, "client_header_timeout", header_timeout_text(session_.listener()));
    case Stage::connecting:
      return leave_late_peer("connect_timeout", session_.route()->connect_timeout_ms);
    case Stage::awaiting_answer:
      if (answer_begun_) return refuse_late_answer();
      [[fallthrough]];
    case Stage::securing_upstream:
      return leave_late_peer("handshake_timeout", session_.route()->handshake_timeout_ms);
    case Stage::accepting:
    case Stage::refusing:
      reason_ = "client does not read its answer";
      return Step::abandon;
    case Stage::relaying_refusal:
      break;
  }
  return cut_refusal();
}

// OpenSSL's part of a connection is large: who says nothing gets none.
Exchange::Step Exchange::secure_client() {
  Leg& client = session_.leg(Side::client);
  if (client.tls() == nullptr) {
    if (!client.readable) return Step::wait;
    client.secure(session_.listener().tls->accept(client.fd()));
  }
  const TlsTransport::Handshake outcome = client.handshake();
  heard_ = client.tls()->heard();
  switch (outcome) {
    case TlsTransport::Handshake::waiting:
      return Step::wait;
    case TlsTransport::Handshake::again:
      return Step::again;
    case TlsTransport::Handshake::failed:
      return end_without_tls(client.failure(), client.tls()->detail());
    case TlsTransport::Handshake::plain_http:
      client.expose();
      return refuse(400, "plain HTTP on a TLS port");
    case TlsTransport::Handshake::done:
      break;
  }
  heard_ = false;  // from here on: of the request
  stage_ = Stage::reading_request;
  return overloaded_ ? refuse(503, overload_reason) : read_request();
}

// No answer is possible. An alert may be on its way: the end must not overtake it. A client that
// left without a byte, as health checks do, is no fault.
Exchange::Step Exchange::end_without_tls(const char* reason, std::string detail) {
  if (!heard_) return Step::abandon;
  reason_ = reason;
  detail_ = std::move(detail);
  log_refused(0);
  session_.leg(Side::client).expose();
  return Step::linger;
}

// A connection that never sent a byte gets no answer and no access line: browsers open some ahead
// of need. A client that waits for us to speak first looks the same.
Exchange::Step Exchange::abandon_silent() {
  session_.context().log.recurring(LogLevel::info, "silent client",
                                   "client " + session_.client().text() + " sent nothing within " +
                                       header_timeout_text(session_.listener()) + ": closed");
  return Step::abandon;
}

Exchange::Step Exchange::read_request() {
  Leg& client = session_.leg(Side::client);
  for (int round = 0; client.readable; ++round) {
    if (round == read_rounds) return Step::again;
    char bytes[head_read_bytes];
    const iovec piece{bytes, sizeof bytes};
    const Io io = client.recv({&piece, 1});
    if (io.state == Io::State::blocked) break;
    if (io.state != Io::State::open) {
      client.input_ended = true;
      if (client.tls() != nullptr && !client.tls()->detail().empty()) {
        heard_ = true;  // no byte of a request perhaps, but records that broke a limit
        reason_ = client.failure();
        detail_ = client.tls()->detail();
      } else if (heard_) {
        reason_ = "client left before its request was complete";
      }
      return Step::abandon;
    }
    const std::string_view view(bytes, io.bytes);
    if (view.empty()) continue;  // a TLS record of none
    const bool first = !std::exchange(heard_, true);
    if (const char* foreign = first ? foreign_preface(view) : nullptr) {
      return refuse(400, foreign);
    }
    const Http1Parser::Fed fed = request_parser_.feed_head(view);
    if (fed.outcome == Http1Parser::Outcome::failed) {
      const ListenConfig& listener = session_.listener();
      return refuse(request_parser_.status(), request_parser_.reason(),
                    head_limit_text(request_parser_, "max_header_size", listener.max_header_bytes,
                                    listener.max_header_fields));
    }
    if (fed.outcome == Http1Parser::Outcome::complete) {
      early_[index_of(Side::client)] = view.substr(fed.consumed);
      return choose_upstream();
    }
  }
  return Step::wait;
}

Exchange::Step Exchange::choose_upstream() {
  const RequestHead& head = request_parser_.request();
  if (const auto refusal = check_upgrade_request(head, request_)) {
    return refuse(refusal->status, refusal->reason);
  }
  const auto [route, ambiguous] =
      find_route(session_.config(), request_.host, request_.target.path, head);
  if (ambiguous) return refuse(400, "ambiguous path: its two readings take different routes");
  if (route == nullptr) return refuse(404, "no route");
  session_.set_route(route);
  for (const std::string_view offered : request_.protocols) {
    const auto& allowed = route->subprotocols;
    if (allowed.empty() || std::find(allowed.begin(), allowed.end(), offered) != allowed.end()) {
      protocols_.push_back(offered);
    }
  }
  walk_ = session_.context().upstreams[route->upstream].begin();
  return connect_next();
}

Exchange::Step Exchange::refuse(int status, const char* reason, std::string detail) {
  reason_ = reason;
  detail_ = std::move(detail);
  session_.close_leg(Side::upstream, End::orderly);
  const std::string id = session_.id_text();
  const ErrorAnswer answer = build_error_answer(status, reason, id);
  out_ = write_http1(answer.head);
  if (request_parser_.request().method != "HEAD") out_ += answer.body;
  out_sent_ = 0;
  stage_ = Stage::refusing;
  session_.arm_timer(session_.listener().lingering_timeout_ms);
  log_refused(status);
  return send_to_client(Step::linger);
}

Exchange::Step Exchange::send_to_client(Step when_sent) {
  if (!send_out(Side::client)) {
    reason_ = client_left;
    return Step::abandon;
  }
  return out_sent_ == out_.size() ? when_sent : Step::wait;
}

bool Exchange::send_out(Side side) {
  Leg& leg = session_.leg(side);
  while (out_sent_ < out_.size() && leg.writable) {
    const iovec piece{out_.data() + out_sent_, out_.size() - out_sent_};
    const Io io = leg.send({&piece, 1});
    if (io.state == Io::State::failed) return false;
    out_sent_ += io.bytes;
    if (io.bytes > 0) progress_ms_ = session_.now_ms();
  }
  return true;
}

// Of a request that was refused before its target was understood: what came of it, without what
// may be a password or a token.
std::string Exchange::target_for_log() const {
  const bool query = session_.config().log_query;
  std::string target(request_.target.path);
  if (!target.empty()) return query ? target.append(request_.target.query) : target;
  target = request_parser_.request_so_far().target;
  if (!query) target.resize(std::min(target.find_first_of("?#"), target.size()));
  if (!target.starts_with('/')) {
    // An absolute form, or CONNECT's authority alone.
    const size_t scheme = target.find("://");
    const size_t authority = scheme == std::string::npos ? 0 : scheme + 3;
    const size_t userinfo = target.substr(0, target.find_first_of("/?#", authority)).rfind('@');
    if (userinfo != std::string::npos && userinfo >= authority) {
      target.erase(authority, userinfo + 1 - authority);
    }
  }
  return target.substr(0, most_unread_bytes);
}

std::string_view Exchange::host_for_log() const {
  if (!request_.authority.empty()) return request_.authority;
  const RequestHead head = request_parser_.request_so_far();
  const std::string_view* host = head.find("Host");
  if (host == nullptr) return {};
  return host->substr(host->rfind('@') + 1).substr(0, most_unread_bytes);
}

SessionRecord Exchange::record() const {
  SessionRecord record = session_.record();
  record.host = host_for_log();
  record.target = target_for_log();
  record.reason = reason_;
  record.detail = detail_;
  return record;
}

void Exchange::log_unanswered(const char* reason) noexcept {
  if (!heard_ || logged_) return;
  try {
    if (*reason_ == '\0') reason_ = reason;
    log_refused(0);
  } catch (const std::bad_alloc&) {
    session_.context().log.access_sink.lose_line();
  }
}

void Exchange::log_refused(int status) {
  logged_ = true;
  Log& log = session_.context().log;
  if (log.access_enabled()) return log.access(refused_line(record(), status));
  // Without an access log the error log is where an operator looks.
  if (!log.enabled(LogLevel::info)) return;
  log.recurring(LogLevel::info, std::string("refused ") + reason_,
                refused_line(record(), status, most_notice_value_bytes));
}

}  // namespace sluice
