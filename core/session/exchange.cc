// Exchange: what follows upon each part's step.
#include "core/session/exchange.h"

#include <algorithm>
#include <utility>

#include "core/observe/limit_text.h"
#include "core/session/admission.h"
#include "core/session/health_answer.h"
#include "core/session/proxy_preamble.h"
#include "core/session/upstream_request.h"
#include "net/sys.h"

namespace sluice {

namespace {

// A refusal's reason with its detail.
std::string told(const Refusal& refusal) {
  return refusal.detail.empty() ? refusal.reason : refusal.reason + (": " + refusal.detail);
}

bool serves_plain(const RouteConfig& route) {
  return route.http || route.reply;
}

bool any_serves_plain(const Config& config) {
  return std::any_of(config.routes.begin(), config.routes.end(), serves_plain);
}

std::string header_timeout_text(const ListenConfig& listener) {
  return time_setting_text("client_header_timeout", listener.client_header_timeout_ms);
}

}  // namespace

Exchange::Exchange(const SessionContext& lent, const Refusal* refused)
    : trace_(begin_trace(lent)),
      lent_(traced(lent, trace_.get())),
      refused_(refused),
      request_(lent_.client, lent_.listener) {}

Exchange::Exchange(const SessionContext& lent, KeptConnection kept, std::string early)
    : Exchange(lent, nullptr) {
  own_preface_ = std::move(kept.preface);
  preface_ = own_preface_.get();
  requests_ = kept.requests;
  if (preface_ != nullptr) request_.secured_by(preface_->tls());
  request_.begin_with(std::move(early));
}

Exchange::Exchange(const SessionContext& lent, const Refusal* refused, Preface* of_connection,
                   uint64_t connection_number)
    : Exchange(lent, refused) {
  preface_ = of_connection;
  connection_number_ = connection_number;
  over_stream_ = true;
}

Exchange::Step Exchange::begin() {
  if (!over_stream_ && Preface::wanted(lent_.listener)) {
    own_preface_ = std::make_unique<Preface>(lent_.client, lent_.listener, lent_.client_address);
    preface_ = own_preface_.get();
    stage_ = Stage::preface;
    return on_run();
  }
  return may_ask() ? read_request() : refuse(*refused_);
}

// What balancers and authorities ask is answered while the listener is drained, too, and whoever
// asks it.
bool Exchange::may_ask() const {
  if (refused_ == nullptr) return true;
  const bool any_may = !lent_.listener.healthz.empty() || !lent_.config.acme_dir.empty();
  return any_may && (refused_ == lent_.worker.drained.refusal(lent_.listener.id) ||
                     refused_ == &Admission::denied());
}

Exchange::Step Exchange::on_ready(Side side, Readiness ready) {
  // A client that closed only its sending half may still want its answer; one that is gone may not.
  const bool reading = stage_ == Stage::reading_request || stage_ == Stage::preface;
  if (side == Side::client && (ready.failed || ready.hung_up) && !reading) {
    return abandon(client_left);
  }
  return on_run();
}

Exchange::Step Exchange::on_rival_ready(Readiness ready) {
  if (stage_ != Stage::dialling) return Step::wait;
  dial_->note_rival(ready);
  return follow(dial_->run());
}

Exchange::Step Exchange::on_run() {
  switch (stage_) {
    case Stage::preface:
      return follow(preface_->run());
    case Stage::reading_request:
      return read_request();
    case Stage::authorizing:
      return follow(authorization_->run());
    case Stage::checking_password:
      return follow(password_->look());
    case Stage::dialling:
      return follow(dial_->run());
    case Stage::forwarding:
      return run_forward();
    case Stage::sending_101:
      return send_upgrade();
    case Stage::refusing:
      return follow(own_answer_->run());
    case Stage::relaying_answer:
      return run_answer();
    case Stage::replying:
      return run_reply();
  }
  return Step::wait;
}

Exchange::Step Exchange::on_timer() {
  switch (stage_) {
    case Stage::preface:
      if (!preface_->heard()) return abandon_silent();
      if (preface_->proxy_reader() != nullptr) {
        return end_without_proxy_header("client_header_timeout in the PROXY header");
      }
      return end_without_tls("client_header_timeout in the TLS handshake",
                             header_timeout_text(lent_.listener));
    case Stage::reading_request:
      if (awaits_next()) return Step::abandon;  // keepalive_timeout
      if (!request_.heard()) return abandon_silent();
      return refuse({408, "client_header_timeout", header_timeout_text(lent_.listener)});
    case Stage::authorizing:
      return follow(authorization_->on_timer());
    case Stage::checking_password:
      return follow(password_->look());
    case Stage::forwarding:
      if (plain_) return on_plain_timer();
      if (forward_->begun()) return refuse_late_answer();
      [[fallthrough]];
    case Stage::dialling:
      return follow(dial_->on_timer());
    case Stage::sending_101:
    case Stage::refusing:
    case Stage::replying:
      return abandon("client does not read its answer");
    case Stage::relaying_answer:
      break;
  }
  if (request_body_) answer_relay_->note_moved(request_body_->moved_ms());
  return follow(answer_relay_->on_timer());
}

Exchange::Step Exchange::follow(Preface::Step step) {
  switch (step) {
    case Preface::Step::wait:
      return Step::wait;
    case Preface::Step::again:
      return Step::again;
    case Preface::Step::done:
      if (const TlsTransport* const tls = preface_->tls(); tls != nullptr) {
        request_.secured_by(tls);
        lent_.worker.row.tls_with_clients.count(tls->version(), tls->resumed());
        if (trace_ != nullptr) trace_tls(*tls);
      }
      if (preface_->http2()) return end_for_http2();
      return may_ask() ? read_request() : refuse(*refused_);
    case Preface::Step::plain_http:
      return refuse({400, "plain HTTP on a TLS port"});
    case Preface::Step::no_proxy_header:
      return refuse_proxy_header();
    case Preface::Step::failed:
      break;
  }
  return end_without_tls(lent_.client.failure(), preface_->tls()->detail());
}

// Its streams are what is counted and logged from here on.
Exchange::Step Exchange::end_for_http2() {
  logged_ = true;
  stage_ = Stage::reading_request;  // the preface is the connection's from here on
  if (trace_ != nullptr) trace_->dismiss();
  return Step::http2;
}

// A balancer that connects and goes, as health checks do, is no fault.
Exchange::Step Exchange::refuse_proxy_header() {
  switch (preface_->proxy_step()) {
    case ProxyHeaderReader::Step::untrusted:
      return end_without_proxy_header("not from a trusted proxy");
    case ProxyHeaderReader::Step::bad:
      return end_without_proxy_header(preface_->proxy_reader()->reason());
    default:
      break;
  }
  if (!preface_->heard()) return Step::abandon;
  return end_without_proxy_header("client left inside its PROXY header");
}

// Nothing can be said to who does not speak the protocol of this port: the log tells the operator.
Exchange::Step Exchange::end_without_proxy_header(const char* reason) {
  Log& log = lent_.worker.log;
  log.recurring(LogLevel::warn, reason,
                "listen " + lent_.listener.address.text() + ": closed a connection from " +
                    lent_.client_address.text() + ": " + reason +
                    "; with proxy_protocol on, all of its connections come from trusted_proxies "
                    "and begin with a PROXY header: name the balancer there and let it send one, "
                    "or give other clients a listener of their own");
  reason_ = reason;
  logged_ = true;
  count_end(0);
  if (log.access_enabled()) {
    log.access(access_line(log.access_format(), SessionEvent::refused, record()));
  }
  return Step::abandon;
}

// No answer is possible. An alert may be on its way: the end must not overtake it. A client that
// left without a byte, as health checks do, is no fault.
Exchange::Step Exchange::end_without_tls(const char* reason, std::string detail) {
  if (!preface_->heard()) return Step::abandon;
  lent_.worker.row.tls_with_clients.failed.add(1);
  reason_ = reason;
  detail_ = std::move(detail);
  log_end(0);
  lent_.client.unwrap();
  return Step::linger;
}

Exchange::Step Exchange::read_request() {
  stage_ = Stage::reading_request;
  const bool awaited = awaits_next();
  const RequestReader::Step step = request_.read();
  if (awaited && request_.heard()) note_heard();
  return follow(step);
}

Exchange::Step Exchange::follow(RequestReader::Step step) {
  switch (step) {
    case RequestReader::Step::wait:
      return Step::wait;
    case RequestReader::Step::again:
      return Step::again;
    case RequestReader::Step::complete:
      return route_request();
    case RequestReader::Step::refused:
      return refuse(request_.refusal());
    case RequestReader::Step::left:
      break;
  }
  if (awaits_next()) return Step::abandon;  // it had all that it wanted
  detail_ = request_.refusal().detail;
  return abandon(request_.refusal().reason);
}

Exchange::Step Exchange::route_request() {
  find_client();
  const RequestHead& head = request_.head();
  if (trace_ != nullptr) trace_request();
  if (asks_for_health(head, lent_.listener.healthz)) return tell_health();
  if (const auto name = asked_challenge(head); name && !lent_.config.acme_dir.empty()) {
    return tell_challenge(*name);
  }
  if (refused_ != nullptr) return refuse(*refused_);
  if (!lent_.listener.access.admit(lent_.client_address.address())) {
    return refuse(Admission::denied());
  }
  const bool upgrade = upgrades_ = asks_for_websocket(head);
  if (const auto refusal =
          upgrade ? check_upgrade_request(head, upgrade_) : find_target(head, upgrade_)) {
    return refuse(*refusal);
  }
  const Address client = lent_.client_address.address();
  const RouteRequest asked{.host = upgrade_.host,
                           .path = upgrade_.target.path,
                           .query = upgrade_.target.query,
                           .method = head.method,
                           .head = &head,
                           .client = &client,
                           .listener = &lent_.listener.address};
  const auto [found, ambiguous] = find_route(lent_.config, asked);
  const RouteConfig* const route =
      found == nullptr ? nullptr : choose_upstream(lent_, *found, client_request());
  if (trace_ != nullptr) trace_route(asked, found, route, ambiguous);
  if (ambiguous) return refuse({400, "ambiguous path: its two readings take different routes"});
  // Where nobody serves plain requests, each is told what this address is for.
  if (!upgrade && !(found != nullptr ? serves_plain(*found) : any_serves_plain(lent_.config))) {
    return refuse(*check_upgrade_request(head, upgrade_));
  }
  if (found == nullptr) return refuse({404, "no route"});
  route_ = route != nullptr ? route : found;
  if (route == nullptr) return refuse({404, "upstream_by has no upstream for it"});
  return admit();
}

// Where the route leads, once nothing speaks against it.
Exchange::Step Exchange::enter() {
  Result<std::string> rewritten = rewritten_path(*route_, upgrade_.target.path);
  if (!rewritten.ok()) {
    return refuse({400, "rewrite_path makes no path of it", rewritten.fault().text()});
  }
  rewritten_ = std::move(rewritten.value());
  if (route_->reply) return reply(*route_->reply);
  return upgrades_ ? dial() : begin_plain(*route_);
}

Exchange::Step Exchange::dial() {
  if (auto drained = lent_.worker.drained.refusal(*route_)) return refuse(std::move(*drained));
  dial_.emplace(lent_, *route_, preamble());
  if (plain_ && may_be_repeated()) dial_->may_reuse();
  if (!plain_) dial_->ask_for_websocket();
  dialled_ms_ = lent_.now_ms();
  const UpstreamSettings& settings = lent_.worker.upstreams.at(route_->upstream).settings();
  wish_ = wish_of(lent_, settings, client_request());
  return follow(dial_->begin(wish_));
}

ClientRequest Exchange::client_request() const {
  return {.head = request_.head(),
          .upgrade = upgrade_,
          .protocols = protocols_,
          .tls = preface_ != nullptr ? preface_->tls() : nullptr,
          .hop = hop_,
          .rewritten = rewritten_,
          .authorized = authorization_ != nullptr ? &authorization_->verdict().head : nullptr,
          .claims = token_ != nullptr ? &token_->claims : nullptr,
          .user = user_};
}

// What goes to each peer before everything else, the same to all.
std::string Exchange::preamble() const {
  if (route_->send_proxy_protocol == SendProxyProtocol::off) return "";
  ClientAddress destination(sys::local_address(lent_.client.socket()));
  const TlsTransport* tls = nullptr;
  if (preface_) {
    destination = destination_of(preface_->proxy_header(), destination);
    tls = preface_->tls();
  }
  const std::string_view asked_for = tls != nullptr ? tls->server_name() : "";
  const std::string id = lent_.id_text();
  return proxy_preamble(route_->send_proxy_protocol, lent_.client_address, destination,
                        {.alpn = "http/1.1",
                         .authority = asked_for.empty() ? upgrade_.host : asked_for,
                         .unique_id = id});
}

Exchange::Step Exchange::follow(Dial::Step step) {
  stage_ = Stage::dialling;
  switch (step) {
    case Dial::Step::wait:
      return Step::wait;
    case Dial::Step::again:
      return Step::again;
    case Dial::Step::failed:
      return refuse(dial_->refusal());
    case Dial::Step::ready:
      break;
  }
  connect_ms_ = static_cast<uint32_t>(lent_.now_ms() - dialled_ms_);
  keeps_upstream_ = plain_ && request_.head().minor_version > 0 && dial_->may_keep();
  std::string request = request_for_peer(lent_, *route_, *dial_->peer(), client_request(),
                                         plain_ ? &framing_ : nullptr, keeps_upstream_);
  if (trace_ != nullptr) trace_sent(request);
  const bool keeps_interim = plain_ && request_.head().minor_version > 0;
  forward_.emplace(lent_.upstream, std::move(request), route_->max_answer_header_bytes,
                   keeps_interim ? Forward::Interim::keep : Forward::Interim::drop);
  if (request_.head().method == "HEAD") forward_->parser().answers_head_request();
  stage_ = Stage::forwarding;
  if (plain_) begin_forwarding_plain();
  return run_forward();
}

Exchange::Step Exchange::follow(Forward::Step step) {
  switch (step) {
    case Forward::Step::wait:
      return Step::wait;
    case Forward::Step::again:
      return Step::again;
    case Forward::Step::answered:
      return take_answer();
    case Forward::Step::malformed:
      return leave_or_refuse({502, forward_->parser().reason(),
                              head_limit_text(forward_->parser(), "max_answer_header_size",
                                              route_->max_answer_header_bytes, /*most_fields=*/0)});
    case Forward::Step::lost:
      break;
  }
  const char* const failure = forward_->why();
  if (forward_->begun()) return leave_or_refuse({502, failure});
  if (dial_->reused()) return follow(dial_->redial());
  return follow(dial_->leave(PeerFault::error, failure, failure));
}

// What came of this peer is no answer.
Exchange::Step Exchange::leave_or_refuse(Refusal refusal) {
  if (!dial_->may_leave(PeerFault::invalid_answer)) {
    dial_->note_fault(PeerFault::invalid_answer);
    return refuse_upstream(std::move(refusal));
  }
  return follow(dial_->leave(PeerFault::invalid_answer, told(refusal), refusal.reason));
}

// Asked every few seconds by each balancer, it is counted and not logged.
Exchange::Step Exchange::tell_health() {
  const bool takes_clients =
      !lent_.worker.leaving && lent_.worker.drained.refusal(lent_.listener.id) == nullptr;
  own_answer_.emplace(lent_.client, health_answer(takes_clients, request_.head().method == "HEAD"));
  stage_ = Stage::refusing;
  lent_.arm(lent_.listener.lingering_timeout_ms);
  const int status = takes_clients ? 200 : 503;
  reason_ = "healthz";
  logged_ = true;
  if (trace_ != nullptr) trace_->dismiss();  // it is no handshake
  count_end(status);
  return follow(own_answer_->run());
}

Exchange::Step Exchange::refuse(Refusal refusal) {
  seats_.leave();
  reason_ = refusal.reason;
  detail_ = std::move(refusal.detail);
  lent_.upstream.close(lent_.worker.reactor, End::orderly);
  if (route_ != nullptr ? serves_plain(*route_) : any_serves_plain(lent_.config)) {
    refusal.allow = served_methods;
  }
  own_answer_.emplace(lent_.client, refusal, lent_.id_text(), request_.head().method);
  own_answer_->put_before(heads_out_.unsent());  // it may be the rest of an interim answer
  stage_ = Stage::refusing;
  lent_.arm(lent_.listener.lingering_timeout_ms);
  log_end(refusal.status);
  return follow(own_answer_->run());
}

Exchange::Step Exchange::follow(OwnAnswer::Step step) {
  switch (step) {
    case OwnAnswer::Step::sent:
      return Step::linger;
    case OwnAnswer::Step::wait:
      return Step::wait;
    case OwnAnswer::Step::client_left:
      break;
  }
  return abandon(client_left);
}

// A line that names the peer as well: this is the operator's to mend, not the client's.
Exchange::Step Exchange::refuse_upstream(Refusal refusal) {
  dial_->log(LogLevel::warn, refusal.reason, told(refusal));
  return refuse(std::move(refusal));
}

Exchange::Step Exchange::abandon(const char* reason) {
  if (trace_ != nullptr) trace_->note("end", reason);
  reason_ = reason;
  return Step::abandon;
}

Exchange::Step Exchange::abandon_silent() {
  log_silent(lent_);
  return Step::abandon;
}

void Exchange::log_silent(const SessionContext& lent) {
  lent.worker.log.recurring(LogLevel::info, "silent client",
                            "client " + lent.client_address.text() + " sent nothing within " +
                                header_timeout_text(lent.listener) + ": closed");
}

}  // namespace sluice
