// OpenSSL's part of a connection is large: it is made at the first byte of TLS.
#include "core/session/preface.h"

#include <array>
#include <memory>
#include <string_view>
#include <utility>

#include "core/session/leg_tls.h"
#include "protocol/preface.h"

namespace sluice {

Preface::Preface(Leg& client, const ListenConfig& listener, ClientAddress& client_address)
    : client_(client), listener_(listener), client_address_(client_address) {
  if (listener.proxy_protocol) proxy_.emplace(client, listener.trusted_proxies, client_address);
}

bool Preface::heard() const {
  return proxy_ ? proxy_->heard() : heard_tls_;
}

Preface::Step Preface::run() {
  if (proxy_) {
    const Step step = take_proxy_header();
    if (step != Step::done) return step;
  }
  if (listener_.tls != nullptr) return secure();
  return may_be_told(listener_) ? find_http() : Step::done;
}

// What is only looked at stays for who reads it. A client whose first bytes might be either sends
// more, and so another edge comes.
Preface::Step Preface::find_http() {
  std::array<uint8_t, http2_preface.size()> first;
  if (!client_.readable) return Step::wait;
  const Io seen = client_.peek(first);
  if (seen.state == Io::State::blocked) return Step::wait;
  const std::string_view bytes(reinterpret_cast<const char*>(first.data()), seen.bytes);
  http2_ = bytes == http2_preface;
  if (!http2_ && seen.bytes > 0 && http2_preface.starts_with(bytes)) return Step::wait;
  client_.assume_readable();
  return Step::done;
}

Preface::Step Preface::take_proxy_header() {
  proxy_step_ = proxy_->run();
  if (proxy_step_ == ProxyHeaderReader::Step::wait) return Step::wait;
  if (proxy_step_ != ProxyHeaderReader::Step::done) return Step::no_proxy_header;
  header_ = proxy_->header();
  proxy_.reset();
  client_address_ = client_of(header_, client_address_);
  if (listener_.tls != nullptr) {
    uint8_t first = 0;
    (void)client_.peek({&first, 1});  // the leg is readable no more where nothing came behind it
  }
  return Step::done;
}

Preface::Step Preface::secure() {
  if (tls_ == nullptr) {
    if (!client_.readable) return Step::wait;
    std::unique_ptr<TlsTransport> tls = listener_.tls->accept(client_.fd());
    tls_ = tls.get();
    client_.wrap(std::move(tls));
  }
  const TlsTransport::Handshake outcome = shake_hands(client_, *tls_);
  heard_tls_ = tls_->heard();
  switch (outcome) {
    case TlsTransport::Handshake::waiting:
      return Step::wait;
    case TlsTransport::Handshake::again:
      return Step::again;
    case TlsTransport::Handshake::done:
      http2_ = tls_->speaks_http2();
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
