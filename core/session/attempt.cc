// Attempt: what a connect, a TLS handshake and an answer tell of a peer.
#include "core/session/attempt.h"

#include <cerrno>
#include <memory>
#include <new>
#include <utility>

#include "core/observe/limit_text.h"
#include "core/peers/peer_health.h"
#include "core/session/leg_tls.h"
#include "net/connector.h"

namespace sluice {

namespace {

constexpr const char* not_reached = "no peer could be reached";

}  // namespace

Attempt::Attempt(const SessionContext& lent, const RouteConfig& route, Leg& leg, unsigned number,
                 const std::string& preamble)
    : lent_(lent),
      route_(route),
      log_{lent.worker, lent.config.upstream(route.upstream), "request", lent.id, lent.trace},
      leg_(leg),
      number_(number),
      preamble_(preamble),
      peer_(lent.worker.upstreams.peers()) {}

Attempt::~Attempt() {
  leave_place();
  give_up_probing();
}

void Attempt::leave_place() {
  if (place_.waits) lent_.worker.http2_peers->leave(lent_.self, place_);
}

void Attempt::give_up_probing() {
  if (std::exchange(probing_, false)) give_probe_back(health());
}

void Attempt::choose(PeerId peer, bool probing) {
  leg_.close(lent_.worker.reactor, End::orderly);
  leave_place();
  place_ = {};
  give_up_probing();
  peer_.choose(peer);
  probing_ = probing;
  stage_ = Stage::connecting;
  reused_ = false;
  secured_by_ = upstream().tls();
  failure_ = not_reached;
}

bool Attempt::reuse(PeerId peer) {
  choose(peer, /*probing=*/false);
  const Watch watch{lent_.worker.handler, lent_.self, number_};
  reused_ = lent_.worker.upstream_pool.take(peer, peer_->uri.secure ? secured_by_ : nullptr,
                                            route_.bind_addresses, leg_, watch);
  if (!reused_) return false;
  lent_.worker.row.upstream_reused.add(1);
  trace("asked on a connection that was kept");
  stage_ = Stage::connected;
  deadline_ms_ = lent_.now_ms() + route_.handshake_timeout_ms;
  return true;
}

// A stream is over with its answer; its connection stays anyway.
void Attempt::keep() noexcept {
  if (leg_.is_stream()) return leg_.close(lent_.worker.reactor, End::orderly);
  const UpstreamSettings& settings = upstream().settings();
  lent_.worker.upstream_pool.keep(leg_, {.peer = peer_->id,
                                         .secured_by = peer_->uri.secure ? secured_by_ : nullptr,
                                         .bound = !route_.bind_addresses.empty(),
                                         .most = settings.keepalive,
                                         .for_ms = settings.keepalive_timeout_ms});
}

Attempt::Step Attempt::begin(PeerId peer, bool probing) {
  choose(peer, probing);
  if (!may_join()) return begin_connecting();
  stage_ = Stage::joining;
  deadline_ms_ = lent_.now_ms() + route_.connect_timeout_ms;
  lent_.worker.reactor.enqueue(lent_.worker.handler, lent_.self);
  return Step::wait;
}

// Connections that are another for each client, or for each route, are shared by nobody.
bool Attempt::may_join() const {
  if (lent_.worker.http2_peers == nullptr || !preamble_.empty() || !route_.bind_addresses.empty()) {
    return false;
  }
  switch (upstream().settings().upstream_http) {
    case UpstreamHttp::one:
      return false;
    case UpstreamHttp::two:
      return true;
    case UpstreamHttp::by_alpn:
      break;
  }
  return peer_->uri.secure;
}

Attempt::Step Attempt::join() {
  const UpstreamSettings& settings = upstream().settings();
  const Http2PeerTerms terms{.peer = peer_->id,
                             .secured_by = peer_->uri.secure ? secured_by_ : nullptr,
                             .settings = settings,
                             .connect_timeout_ms = route_.connect_timeout_ms,
                             .handshake_timeout_ms = route_.handshake_timeout_ms,
                             .keepalive_timeout_ms = settings.keepalive_timeout_ms};
  Http2Peers& peers = *lent_.worker.http2_peers;
  const bool was_connecting = connects();
  switch (peers.join(terms, websocket_, route_.max_answer_header_bytes, leg_,
                     {lent_.worker.handler, lent_.self, number_}, place_)) {
    case Http2Peers::Joined::waits:
      // Once: who is passed on from connection to connection has an end.
      if (was_connecting && !connects() && !std::exchange(place_.extended, true)) {
        deadline_ms_ = lent_.now_ms() + route_.handshake_timeout_ms;
      }
      return Step::wait;
    case Http2Peers::Joined::stream:
      trace("asked on a stream of an HTTP/2 connection");
      stage_ = Stage::connected;
      deadline_ms_ = lent_.now_ms() + route_.handshake_timeout_ms;
      return Step::ready;
    case Http2Peers::Joined::adopted:
      trace("asked in HTTP/1.1, which it chose (ALPN)");
      stage_ = Stage::connected;
      deadline_ms_ = lent_.now_ms() + route_.handshake_timeout_ms;
      return Step::ready;
    case Http2Peers::Joined::http1:
      return begin_connecting();
    case Http2Peers::Joined::full:
      failure_ = "every HTTP/2 connection to the peer is full";
      log(LogLevel::warn, failure_,
          "every HTTP/2 connection to it is full: raise h2_connections_per_peer " +
              std::to_string(settings.h2_connections) + " or h2_streams_per_connection " +
              std::to_string(settings.h2_streams));
      return Step::failed;
    case Http2Peers::Joined::failed:
      break;
  }
  if (peers.failure().is_first) {
    note_unreached(peers.failure().error, peers.failure().reason, peers.failure().text);
  } else {
    failure_ = peers.failure().reason;
    log(LogLevel::warn, failure_, peers.failure().text);
  }
  return Step::failed;
}

void Attempt::note_unreached(int error, const char* reason, const std::string& text) {
  failure_ = reason;
  lacked_descriptor_ = error == EMFILE || error == ENFILE;
  // What we lack is no fault of the peer's.
  if (lacked_descriptor_ || error == EADDRNOTAVAIL) {
    log(LogLevel::warn, failure_, text);
  } else {
    note_failure(PeerFault::error, text, failure_);
  }
}

Attempt::Step Attempt::begin_connecting() {
  stage_ = Stage::connecting;
  trace("connecting");
  const Result<int> fd = connect_with_room();
  if (!fd.ok()) {
    note_unreached(fd.fault().error, failure_, fd.fault().text());
    return Step::failed;
  }
  const Watch watch{lent_.worker.handler, lent_.self, number_};
  if (const Status opened = leg_.open(lent_.worker.reactor, fd.value(), watch); !opened.ok()) {
    lent_.worker.log.recurring(LogLevel::error, "watch", opened.fault().text());
    return Step::failed;
  }
  deadline_ms_ = lent_.now_ms() + route_.connect_timeout_ms;
  return Step::wait;
}

Attempt::Step Attempt::run() {
  switch (stage_) {
    case Stage::joining:
      return join();
    case Stage::connecting:
      return leg_.writable ? on_connected() : Step::wait;
    case Stage::introducing:
      return introduce();
    case Stage::securing:
      return secure();
    case Stage::connected:
      break;
  }
  return Step::ready;
}

// Connections that nobody uses give way.
Result<int> Attempt::connect_with_room() {
  Result<int> fd = connect();
  UpstreamPool& pool = lent_.worker.upstream_pool;
  if (fd.ok() || fd.fault().error != EMFILE) return fd;
  pool.close_all();
  if (lent_.worker.http2_peers != nullptr) lent_.worker.http2_peers->end_idle();
  return connect();
}

// From the addresses of ours that the route names, in turn; one that fails leaves it to the next.
Result<int> Attempt::connect() {
  Result<int> fd = Fault{};
  bool tried = false;
  for (size_t left = route_.bind_addresses.size(); left > 0; --left) {
    const Address& from = route_.bind_addresses[peer_->bind_turn++ % route_.bind_addresses.size()];
    if (from.family() != peer_->address.family()) continue;
    fd = start_connect(peer_->address, &from);
    if (fd.ok() || fd.fault().error != EADDRNOTAVAIL) return fd;
    const bool ours = std::string_view(fd.fault().what) != "bind";
    log(LogLevel::warn, "bind_address",
        "bind_address " + from.host_text() +
            (ours ? ": no port of it is left toward this peer; name another address"
                  : ": this machine has no such address"));
    tried = true;
  }
  return tried ? fd : start_connect(peer_->address);
}

// A transport works on the descriptor, whose number stays.
bool Attempt::take_over(Attempt& other) {
  give_up_probing();
  leave_place();
  const Watch watch{lent_.worker.handler, lent_.self, number_};
  if (other.leg_.is_open()) {
    if (const Status taken = leg_.take_over(lent_.worker.reactor, other.leg_, watch); !taken.ok()) {
      lent_.worker.log.recurring(LogLevel::error, "watch", taken.fault().text());
      return false;
    }
  }
  place_ = std::exchange(other.place_, {});  // the session is the same
  peer_.choose(other.peer_->id);
  secured_by_ = other.secured_by_;
  tls_ = other.tls_;
  introduction_ = std::move(other.introduction_);
  failure_ = other.failure_;
  deadline_ms_ = other.deadline_ms_;
  stage_ = other.stage_;
  reused_ = other.reused_;
  probing_ = std::exchange(other.probing_, false);
  return true;
}

std::string Attempt::time_out() {
  std::string limit = time_setting_text(
      time_limit(), connects() ? route_.connect_timeout_ms : route_.handshake_timeout_ms);
  log(LogLevel::warn, time_limit(), limit);
  note_fault(PeerFault::timeout);
  return limit;
}

Attempt::Step Attempt::on_connected() {
  const int error = connect_outcome(leg_.fd());
  if (error != 0) {
    note_failure(PeerFault::error, Fault{"connect", error}.text(), not_reached);
    return Step::failed;
  }
  const uint64_t began_ms = deadline_ms_ - route_.connect_timeout_ms;
  lent_.worker.row.connects_ms.add(lent_.now_ms() - began_ms);
  trace("connected");
  deadline_ms_ = lent_.now_ms() + route_.handshake_timeout_ms;
  introduction_ = Outgoing(preamble_);
  return introduce();
}

// Before TLS, and before the request: the peer reads nothing until it is there.
Attempt::Step Attempt::introduce() {
  stage_ = Stage::introducing;
  switch (introduction_.send(leg_)) {
    case Outgoing::Step::sent:
      return begin_securing();
    case Outgoing::Step::blocked:
      return Step::wait;
    case Outgoing::Step::failed:
      break;
  }
  note_failure(PeerFault::error, "lost before its PROXY header was sent", not_reached);
  return Step::failed;
}

Attempt::Step Attempt::begin_securing() {
  stage_ = Stage::connected;
  if (!peer_->uri.secure) return Step::ready;
  std::unique_ptr<TlsTransport> tls =
      secured_by_->connect(leg_.fd(), peer_->uri.host, peer_->tls_session);
  tls_ = tls.get();
  leg_.wrap(std::move(tls));
  stage_ = Stage::securing;
  return secure();
}

Attempt::Step Attempt::secure() {
  switch (shake_hands(leg_, *tls_)) {
    case TlsTransport::Handshake::done:
      lent_.worker.row.tls_with_upstreams.count(tls_->version(), tls_->resumed());
      stage_ = Stage::connected;
      trace_tls();
      return Step::ready;
    case TlsTransport::Handshake::waiting:
      return Step::wait;
    case TlsTransport::Handshake::again:
      return Step::again;
    case TlsTransport::Handshake::failed:
    case TlsTransport::Handshake::plain_http:
      break;
  }
  lent_.worker.row.tls_with_upstreams.failed.add(1);
  const char* failure =
      *leg_.failure() != '\0' ? leg_.failure() : "closed during the TLS handshake";
  std::string told = std::string("TLS handshake: ") + failure;
  if (const std::string& detail = tls_->detail(); !detail.empty()) told += ": " + detail;
  // The failed handshake may have been resuming a session: the next connection begins afresh.
  peer_->tls_session.keep(nullptr);
  note_failure(PeerFault::error, told, failure);
  return Step::failed;
}

void Attempt::trace_tls() const noexcept try {
  if (lent_.trace != nullptr) trace(tls_text(*tls_));
} catch (const std::bad_alloc&) {
  lent_.trace->lose();
}

void Attempt::trace(std::string_view what) const noexcept {
  if (lent_.trace != nullptr) lent_.trace->note_about("peer", peer_->name, what);
}

void Attempt::note_failure(PeerFault fault, std::string_view what, const char* reason) {
  failure_ = reason;
  log(LogLevel::warn, reason, what);
  note_fault(fault);
}

PeerFailure Attempt::failure_of(PeerFault fault) const {
  switch (fault) {
    case PeerFault::timeout:
      return PeerFailure::timeout;
    case PeerFault::invalid_answer:
      return PeerFailure::invalid_answer;
    case PeerFault::status:
      return PeerFailure::status;
    case PeerFault::none:
    case PeerFault::error:
      break;
  }
  if (connects()) return PeerFailure::connect;
  return stage_ == Stage::securing ? PeerFailure::tls : PeerFailure::lost;
}

void Attempt::note_fault(PeerFault fault) {
  probing_ = false;
  count_failure(health(), failure_of(fault));
  const HealthSettings settings = upstream().settings().health;
  const uint32_t out_ms = sluice::note_failure(lent_.worker.upstreams.peers().board(), peer_->id,
                                               fault, settings, lent_.now_ms());
  if (out_ms == 0) return;
  log(LogLevel::error, "is out",
      "is out for " + time_text(out_ms) + ", having failed max_fails " +
          std::to_string(settings.max_fails) + " times within fail_timeout " +
          time_text(settings.fail_timeout_ms));
}

void Attempt::note_answer() {
  probing_ = false;
  const uint64_t was_out_ms = note_success(health(), lent_.now_ms());
  if (was_out_ms == 0) return;
  log(LogLevel::notice, "is back", "is back after " + rough_time_text(was_out_ms));
}

}  // namespace sluice
