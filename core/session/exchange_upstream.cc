// Exchange, the upstream's half: dialling peers, the request that goes there, what comes back.
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

#include "core/observe/limit_text.h"
#include "core/router.h"
#include "core/session/exchange.h"
#include "core/session/session.h"
#include "core/session/variables.h"
#include "net/connector.h"

namespace sluice {

namespace {

constexpr size_t answer_read_bytes = most_early_bytes;  // early frames behind the 101 fit any ring
constexpr size_t refusal_read_bytes = 16 * 1024;
constexpr int refusal_rounds = 16;  // then others get their turn
// A refusal that moves is cut off after so many times send_timeout: its body has no end otherwise.
constexpr uint64_t most_send_timeouts_of_refusal = 12;
constexpr const char* no_peer_reached = "no peer could be reached";

constexpr size_t most_dropped_names_bytes = 200;  // in a line of the log

std::string_view host_for(const RouteConfig& route, const PeerConfig& peer,
                          std::string_view client_authority) {
  switch (route.host.policy) {
    case HostPolicy::client:
      return client_authority;
    case HostPolicy::server:
      return peer.uri.authority;
    case HostPolicy::fixed:
      return route.host.name;
    case HostPolicy::by_scheme:
      break;
  }
  return peer.uri.secure ? std::string_view(peer.uri.authority) : client_authority;
}

}  // namespace

Exchange::Step Exchange::connect_next() {
  const RouteConfig& route = *session_.route();
  Upstream& upstream = session_.context().upstreams[route.upstream];
  while (const PeerConfig* peer = upstream.next(walk_)) {
    session_.set_peer(peer);
    Result<int> fd = start_connect(peer->address);
    if (!fd.ok()) {
      note_peer_failure(fd.fault().text(), no_peer_reached);
      if (fd.fault().error == EMFILE || fd.fault().error == ENFILE) {
        return refuse(503, "out of descriptors");
      }
      continue;
    }
    if (!session_.open_leg(Side::upstream, fd.value())) continue;
    stage_ = Stage::connecting;
    session_.arm_timer(route.connect_timeout_ms);
    return Step::wait;
  }
  if (peer_failure_ != nullptr) return refuse(502, peer_failure_);
  if (peer_timeout_ == nullptr) return refuse(502, no_peer_reached);
  return refuse(504, peer_timeout_, std::move(peer_limit_));
}

// Nothing that a client could have been told was lost: the next peer is asked as this one was.
Exchange::Step Exchange::leave_peer(std::string_view what, const char* reason) {
  note_peer_failure(what, reason);
  session_.close_leg(Side::upstream, End::orderly);
  return connect_next();
}

Exchange::Step Exchange::leave_late_peer(const char* timeout, uint64_t limit_ms) {
  peer_timeout_ = timeout;
  peer_limit_ = time_setting_text(timeout, limit_ms);
  log_upstream(LogLevel::warn, timeout, peer_limit_);
  session_.close_leg(Side::upstream, End::orderly);
  return connect_next();
}

// An answer that has begun is this peer's: no other one is asked.
Exchange::Step Exchange::refuse_late_answer() {
  std::string limit =
      time_setting_text("handshake_timeout", session_.route()->handshake_timeout_ms);
  log_upstream(LogLevel::warn, "handshake_timeout inside its answer", limit + " inside its answer");
  return refuse(504, "handshake_timeout", std::move(limit));
}

void Exchange::note_peer_failure(std::string_view what, const char* reason) {
  peer_failure_ = reason;
  log_upstream(LogLevel::warn, reason, what);
}

Exchange::Step Exchange::on_connected() {
  Leg& leg = session_.leg(Side::upstream);
  const int error = connect_outcome(leg.fd());
  if (error != 0) return leave_peer(Fault{"connect", error}.text(), no_peer_reached);
  session_.arm_timer(session_.route()->handshake_timeout_ms);
  const PeerConfig& peer = *session_.peer();
  if (!peer.uri.secure) return begin_forwarding();
  const uint32_t upstream = session_.route()->upstream;
  const TlsClient& tls = *session_.config().upstreams[upstream].tls;
  leg.secure(tls.connect(leg.fd(), peer.uri.host,
                         session_.context().upstreams[upstream].tls_session(peer)));
  stage_ = Stage::securing_upstream;
  return secure_upstream();
}

Exchange::Step Exchange::secure_upstream() {
  Leg& leg = session_.leg(Side::upstream);
  switch (leg.handshake()) {
    case TlsTransport::Handshake::done:
      return begin_forwarding();
    case TlsTransport::Handshake::waiting:
      return Step::wait;
    case TlsTransport::Handshake::again:
      return Step::again;
    case TlsTransport::Handshake::failed:
    case TlsTransport::Handshake::plain_http:
      break;
  }
  const char* failure = *leg.failure() != '\0' ? leg.failure() : "closed during the TLS handshake";
  std::string told = std::string("TLS handshake: ") + failure;
  if (const std::string& detail = leg.tls()->detail(); !detail.empty()) told += ": " + detail;
  // What failed may have been resuming: the next connection begins afresh.
  session_.context()
      .upstreams[session_.route()->upstream]
      .tls_session(*session_.peer())
      .keep(nullptr);
  return leave_peer(told, failure);
}

Exchange::Step Exchange::begin_forwarding() {
  build_request();
  Http1Parser::Limits limits;
  limits.head_bytes = session_.route()->max_answer_header_bytes;
  answer_parser_ = std::make_unique<Http1Parser>(Http1Parser::Role::response, limits);
  answer_begun_ = false;
  stage_ = Stage::awaiting_answer;
  return forward();
}

void Exchange::build_request() {
  const RouteConfig& route = *session_.route();
  const PeerConfig& peer = *session_.peer();
  const std::string target =
      upstream_target(peer.uri, route.path, request_.target.path, request_.target.query);
  const ClientAddress& client = session_.client();
  const std::string client_ip = client.has_ip() ? client.host_text() : "";
  const char* scheme = session_.listener().tls != nullptr ? "https" : "http";
  const std::string request_id = session_.id_text();
  RequestFacts facts;
  facts.head = &request_parser_.request();
  facts.request = &request_;
  facts.remote_addr = client_ip;
  facts.remote_port = client.port();
  facts.scheme = scheme;
  facts.request_id = request_id;
  facts.tls = session_.leg(Side::client).tls();
  std::vector<HeaderField> set;
  std::vector<std::string_view> removed(route.remove_headers.begin(), route.remove_headers.end());
  std::vector<std::string> values;  // what the views point at
  values.reserve(route.set_headers.size());
  for (const HeaderSetting& header : route.set_headers) {
    std::optional<std::string> value =
        header.value.filled([&facts](Variable variable, std::string_view name) {
          return value_of(variable, name, facts);
        });
    if (value && !value->empty() && header_value_valid(*value)) {
      set.push_back({header.name, values.emplace_back(std::move(*value))});
    } else {
      // Without a value the client's own field of that name must not pass for it.
      removed.push_back(header.name);
    }
  }
  UpstreamRequest upstream;
  upstream.target = target;
  upstream.host = host_for(route, peer, request_.authority);
  const std::vector<std::string_view> kept(route.keep_headers.begin(), route.keep_headers.end());
  upstream.forwarded_for = client_ip;
  upstream.forwarded_proto = scheme;
  upstream.forwarded_host = request_.authority;
  upstream.protocols = protocols_;
  upstream.set_headers = set;
  upstream.remove_headers = removed;
  upstream.keep_headers = kept;
  upstream.underscore_headers = route.underscore_headers;
  log_dropped_fields(upstream);
  out_ = write_http1(build_upstream_request(request_parser_.request(), request_, upstream));
  out_sent_ = 0;
}

Exchange::Step Exchange::forward() {
  Leg& leg = session_.leg(Side::upstream);
  const bool takes = send_out(Side::upstream);
  for (int round = 0; leg.readable; ++round) {
    if (round == read_rounds) return Step::again;
    char bytes[answer_read_bytes];
    const iovec piece{bytes, sizeof bytes};
    const Io io = leg.recv({&piece, 1});
    if (io.state == Io::State::blocked) break;
    if (io.state != Io::State::open) {
      leg.input_ended = true;
      return on_upstream_lost();
    }
    answer_begun_ = true;
    std::string_view rest(bytes, io.bytes);
    // Interim answers may stand in one segment with what follows them.
    while (!rest.empty()) {
      const Http1Parser::Fed fed = answer_parser_->feed_head(rest);
      if (fed.outcome == Http1Parser::Outcome::failed) {
        return refuse_upstream(
            answer_parser_->reason(),
            head_limit_text(*answer_parser_, "max_answer_header_size",
                            session_.route()->max_answer_header_bytes, /*most_fields=*/0));
      }
      rest.remove_prefix(fed.consumed);
      if (fed.outcome == Http1Parser::Outcome::more) break;
      const int status = answer_parser_->answer().status;
      if (status < 100 || status > 199 || status == 101) return take_answer_head(rest);
      answer_parser_->next_head();
    }
  }
  // One that takes no more may have answered: what it said was read first.
  return takes ? Step::wait : on_upstream_lost();
}

Exchange::Step Exchange::take_answer_head(std::string_view behind) {
  const int status = answer_parser_->answer().status;
  if (status == 101) return accept_upgrade(behind);
  const std::vector<uint16_t>& others = session_.route()->next_peer_on;
  const Upstream& upstream = session_.context().upstreams[session_.route()->upstream];
  if (std::find(others.begin(), others.end(), status) != others.end() && upstream.has_next(walk_)) {
    return leave_peer("answered " + std::to_string(status) + ", which next_peer_on names",
                      "an answer that next_peer_on names, and no other peer");
  }
  return begin_relaying_refusal(behind);
}

Exchange::Step Exchange::accept_upgrade(std::string_view behind) {
  if (out_sent_ < out_.size()) return refuse_upstream("101 before the request was whole");
  const AnswerHead& head = answer_parser_->answer();
  const char* wrong =
      check_upgrade_answer(head, request_.key, protocols_, request_.deflate_offers, agreed_);
  if (wrong != nullptr) return refuse_upstream(wrong);
  early_[index_of(Side::upstream)] = behind;
  out_ = write_http1(build_client_answer(head, request_.key, agreed_));
  out_sent_ = 0;
  stage_ = Stage::accepting;
  return send_to_client(Step::relay);
}

Exchange::Step Exchange::begin_relaying_refusal(std::string_view behind) {
  const AnswerHead& head = answer_parser_->answer();
  reason_ = "refused by the upstream";
  log_refused(head.status);
  out_ = write_http1(
      build_refusal_head(head, answer_parser_->framing(), answer_parser_->content_length()));
  out_sent_ = 0;
  stage_ = Stage::relaying_refusal;
  progress_ms_ = session_.now_ms();
  refusal_ends_ms_ =
      progress_ms_ + most_send_timeouts_of_refusal * session_.route()->send_timeout_ms;
  watch_refusal();
  // Without a body the head is all; feeding nothing finds that out.
  const Step taken = take_refusal_body(behind);
  return taken == Step::wait ? relay_refusal() : taken;
}

// The body is re-framed: as long as announced, else chunked. One that breaks off is left without
// its end, and the connection's end shows it.
Exchange::Step Exchange::relay_refusal() {
  Leg& leg = session_.leg(Side::upstream);
  for (int round = 0; round < refusal_rounds; ++round) {
    if (!send_out(Side::client)) {
      reason_ = client_left;
      return Step::abandon;
    }
    if (out_sent_ < out_.size()) return Step::wait;
    out_.clear();
    out_sent_ = 0;
    if (refusal_done_) return Step::linger;
    if (!leg.readable) return Step::wait;
    char bytes[refusal_read_bytes];
    const iovec piece{bytes, sizeof bytes};
    const Io io = leg.recv({&piece, 1});
    if (io.state == Io::State::blocked) return Step::wait;
    if (io.state != Io::State::open) {
      leg.input_ended = true;
      // Only an orderly end may end a body that has no other.
      if (io.state == Io::State::failed || !answer_parser_->finish_body()) {
        log_upstream(LogLevel::warn, "the body of its refusal broke off");
        return Step::linger;
      }
      end_refusal_body();
      continue;
    }
    progress_ms_ = session_.now_ms();
    if (take_refusal_body({bytes, io.bytes}) == Step::linger) return Step::linger;
  }
  return Step::again;
}

Exchange::Step Exchange::take_refusal_body(std::string_view bytes) {
  std::string body;
  const Http1Parser::Fed fed = answer_parser_->feed_body(bytes, body);
  if (!body.empty()) queue_body(body);
  if (fed.outcome == Http1Parser::Outcome::failed) {
    const std::string limit = head_limit_text(*answer_parser_, "max_answer_header_size",
                                              session_.route()->max_answer_header_bytes,
                                              /*most_fields=*/0);
    log_upstream(LogLevel::warn, "the body of its refusal is malformed",
                 limit.empty() ? "" : "the body of its refusal: " + limit);
    // What was decoded is still sent as far as it goes at once; the missing end tells the client.
    send_out(Side::client);
    return Step::linger;
  }
  if (fed.outcome == Http1Parser::Outcome::complete) end_refusal_body();
  return Step::wait;
}

void Exchange::queue_body(std::string_view body) {
  if (answer_parser_->framing() == Http1Parser::Framing::length) {
    out_ += body;
    return;
  }
  char size[20];
  const auto written = std::to_chars(size, size + sizeof size, body.size(), 16);
  out_.append(size, written.ptr);
  out_ += "\r\n";
  out_ += body;
  out_ += "\r\n";
}

void Exchange::end_refusal_body() {
  if (refusal_done_) return;
  refusal_done_ = true;
  const Http1Parser::Framing framing = answer_parser_->framing();
  if (framing == Http1Parser::Framing::chunked || framing == Http1Parser::Framing::until_close) {
    out_ += "0\r\n\r\n";
  }
}

void Exchange::watch_refusal() {
  const uint64_t stalls_ms = progress_ms_ + session_.route()->send_timeout_ms;
  session_.arm_timer(std::min(stalls_ms, refusal_ends_ms_) - session_.now_ms());
}

// At the timer: where it neither stands still nor has used up its time, it goes on.
Exchange::Step Exchange::cut_refusal() {
  const uint64_t limit_ms = session_.route()->send_timeout_ms;
  const uint64_t now_ms = session_.now_ms();
  const bool stalled = now_ms >= progress_ms_ + limit_ms;
  if (!stalled && now_ms < refusal_ends_ms_) {
    watch_refusal();
    return Step::wait;
  }
  reason_ = stalled ? "refusal does not move" : "refusal does not end";
  std::string line = "request " + session_.id_text() + ": the upstream's refusal was cut off, ";
  line += stalled ? "nothing moved for "
                  : "it took " + std::to_string(most_send_timeouts_of_refusal) + " times ";
  session_.context().log.recurring(LogLevel::info, reason_,
                                   line + time_setting_text("send_timeout", limit_ms));
  return Step::abandon;
}

// 502, and a line that names the peer: this is the operator's to mend, not the client's.
Exchange::Step Exchange::refuse_upstream(const char* reason, std::string detail) {
  log_upstream(LogLevel::warn, reason, detail.empty() ? reason : reason + (": " + detail));
  return refuse(502, reason, std::move(detail));
}

Exchange::Step Exchange::on_upstream_lost() {
  const char* failure = session_.leg(Side::upstream).failure();
  if (*failure == '\0') failure = "upstream closed during the handshake";
  return answer_begun_ ? refuse_upstream(failure) : leave_peer(failure, failure);
}

// What a client sends and its upstream never sees is told: names that the conf may let pass at
// info, for whoever looks for a field that does not arrive; a stranger's forwarding fields at
// debug.
void Exchange::log_dropped_fields(const UpstreamRequest& upstream) {
  Log& log = session_.context().log;
  const RequestHead& head = request_parser_.request();
  const bool forwarding_told = log.enabled(LogLevel::debug);
  if (std::none_of(head.fields.begin(), head.fields.end(), [&](const HeaderField& field) {
        return !is_plain_name(field.name) || (forwarding_told && is_forwarding_field(field.name));
      })) {
    return;
  }
  const EndToEnd end_to_end(head);
  std::string not_plain;
  std::string forwarding;
  for (const HeaderField& field : head.fields) {
    const FieldFate fate = field_fate(end_to_end, field.name, upstream);
    if (fate == FieldFate::not_plain) not_plain.append(" ").append(field.name);
    if (fate == FieldFate::forwarding) forwarding.append(" ").append(field.name);
  }
  const std::string who = "request " + session_.id_text() + ": dropped fields";
  if (!not_plain.empty()) {
    not_plain.resize(std::min(not_plain.size(), most_dropped_names_bytes));
    log.recurring(LogLevel::info, "dropped fields", who + " (underscore_headers off):" + not_plain);
  }
  if (forwarding_told && !forwarding.empty()) {
    log.error(LogLevel::debug, who + " (no keep_header):" + forwarding);
  }
}

void Exchange::log_upstream(LogLevel level, const char* kind, std::string_view what) {
  session_.log_upstream(level, kind, what.empty() ? kind : what);
}

}  // namespace sluice
