// OpenSSL's part of a connection is large: it is made at the first byte.
#include "core/session/preface.h"

#include <memory>
#include <utility>

#include "core/session/leg_tls.h"

namespace sluice {

Preface::Step Preface::run() {
  if (tls_ == nullptr) {
    if (!client_.readable) return Step::wait;
    std::unique_ptr<TlsTransport> tls = server_.accept(client_.fd());
    tls_ = tls.get();
    client_.wrap(std::move(tls));
  }
  const TlsTransport::Handshake outcome = shake_hands(client_, *tls_);
  heard_ = tls_->heard();
  switch (outcome) {
    case TlsTransport::Handshake::waiting:
      return Step::wait;
    case TlsTransport::Handshake::again:
      return Step::again;
    case TlsTransport::Handshake::done:
      return Step::done;
    case TlsTransport::Handshake::failed:
      return Step::failed;
    case TlsTransport::Handshake::plain_http:
      break;
  }
  client_.unwrap();
  tls_ = nullptr;
  return Step::plain_http;
}

}  // namespace sluice
