// Dial: an attempt at one peer after the other, until one is connected or none is left.
#include "core/session/dial.h"

#include <cerrno>
#include <optional>
#include <utility>

#include "core/observe/limit_text.h"
#include "core/session/leg_tls.h"
#include "net/connector.h"

namespace sluice {

namespace {

constexpr const char* no_peer_reached = "no peer could be reached";

}  // namespace

Dial::Dial(const SessionContext& lent, const RouteConfig& route)
    : lent_(lent),
      route_(route),
      config_(lent.config.upstream(route.upstream)),
      log_{lent.worker, config_, "request", lent.id},
      peer_(lent.worker.upstreams.peers()) {}

Dial::Step Dial::begin() {
  walk_ = upstream().begin();
  return connect_next();
}

Dial::Step Dial::run() {
  switch (stage_) {
    case Stage::connecting:
      return lent_.upstream.writable ? on_connected() : Step::wait;
    case Stage::securing:
      return secure();
    case Stage::connected:
      break;
  }
  return Step::ready;
}

Dial::Step Dial::on_timer() {
  const bool connecting = stage_ == Stage::connecting;
  timeout_ = connecting ? "connect_timeout" : "handshake_timeout";
  limit_ = time_setting_text(timeout_,
                             connecting ? route_.connect_timeout_ms : route_.handshake_timeout_ms);
  log(LogLevel::warn, timeout_, limit_);
  return connect_next();
}

Dial::Step Dial::leave(std::string_view what, const char* reason) {
  note_failure(what, reason);
  return connect_next();
}

Dial::Step Dial::connect_next() {
  lent_.upstream.close(lent_.worker.reactor, End::orderly);
  while (const std::optional<PeerId> peer = upstream().next(walk_)) {
    peer_.choose(*peer);
    Result<int> fd = start_connect(peer_->address);
    if (!fd.ok()) {
      note_failure(fd.fault().text(), no_peer_reached);
      if (fd.fault().error == EMFILE || fd.fault().error == ENFILE) {
        return fail({503, "out of descriptors"});
      }
      continue;
    }
    if (!lent_.open(Side::upstream, fd.value())) continue;
    stage_ = Stage::connecting;
    lent_.arm(route_.connect_timeout_ms);
    return Step::wait;
  }
  if (failure_ != nullptr) return fail({502, failure_});
  if (timeout_ == nullptr) return fail({502, no_peer_reached});
  return fail({504, timeout_, std::move(limit_)});
}

Dial::Step Dial::on_connected() {
  Leg& leg = lent_.upstream;
  const int error = connect_outcome(leg.fd());
  if (error != 0) return leave(Fault{"connect", error}.text(), no_peer_reached);
  lent_.arm(route_.handshake_timeout_ms);
  stage_ = Stage::connected;
  if (!peer_->uri.secure) return Step::ready;
  std::unique_ptr<TlsTransport> tls =
      config_.tls->connect(leg.fd(), peer_->uri.host, peer_->tls_session);
  tls_ = tls.get();
  leg.wrap(std::move(tls));
  stage_ = Stage::securing;
  return secure();
}

Dial::Step Dial::secure() {
  Leg& leg = lent_.upstream;
  switch (shake_hands(leg, *tls_)) {
    case TlsTransport::Handshake::done:
      stage_ = Stage::connected;
      return Step::ready;
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
  if (const std::string& detail = tls_->detail(); !detail.empty()) told += ": " + detail;
  // The failed handshake may have been resuming a session: the next connection begins afresh.
  peer_->tls_session.keep(nullptr);
  return leave(told, failure);
}

Dial::Step Dial::fail(Refusal refusal) {
  refusal_ = std::move(refusal);
  return Step::failed;
}

void Dial::note_failure(std::string_view what, const char* reason) {
  failure_ = reason;
  log(LogLevel::warn, reason, what);
}

}  // namespace sluice
