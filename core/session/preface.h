// Preface: what stands before a client's request, namely the PROXY header of a listener that asks
// for one, then the TLS handshake of a TLS listener, then which HTTP it speaks.
#pragma once

#include <cstdint>
#include <optional>

#include "core/config.h"
#include "core/session/client_address.h"
#include "core/session/leg.h"
#include "core/session/proxy_header.h"
#include "tls/transport.h"

namespace sluice {

//   [PROXY header] --> [TLS handshake] --> [HTTP/2 by prior knowledge?] --> done
class Preface {
 public:
  enum class Step : uint8_t {
    wait,
    again,            // more is there than one turn should take: call it once others had theirs
    done,             // a request comes next, over a leg that is secured where the listener says so
    plain_http,       // the client speaks HTTP without TLS; the leg is bare again
    failed,           // no answer is possible; an alert may be on its way
    no_proxy_header,  // proxy_step() says why: untrusted, bad, or left
  };

  // All outlive this. A PROXY header changes `client_address` to the client that it names.
  Preface(Leg& client, const ListenConfig& listener, ClientAddress& client_address);

  static bool wanted(const ListenConfig& listener) {
    return listener.proxy_protocol || listener.tls != nullptr || may_be_told(listener);
  }

  Step run();

  // The client sent at least a byte of TLS, or of a PROXY header that is not whole.
  bool heard() const;
  // Set until the header was taken; then, and without proxy_protocol, null.
  const ProxyHeaderReader* proxy_reader() const { return proxy_ ? &*proxy_ : nullptr; }
  // The step of that reader after `no_proxy_header`.
  ProxyHeaderReader::Step proxy_step() const { return proxy_step_; }
  // What it named; of no family where there was none, or it named nobody.
  const ProxyHeader& proxy_header() const { return header_; }
  // The transport that the leg is wrapped in; null before the first byte, after `plain_http` and
  // without TLS.
  TlsTransport* tls() const { return tls_; }
  // After `done`: it speaks HTTP/2, whose own preface comes next.
  bool http2() const { return http2_; }

 private:
  // A client of a plain listener may speak HTTP/2 without a word before (RFC 9113 3.3).
  static bool may_be_told(const ListenConfig& listener) {
    return listener.http2 == Http2Use::cleartext && listener.tls == nullptr;
  }
  Step find_http();
  Step take_proxy_header();
  Step secure();

  Leg& client_;
  const ListenConfig& listener_;
  ClientAddress& client_address_;
  std::optional<ProxyHeaderReader> proxy_;
  ProxyHeaderReader::Step proxy_step_ = ProxyHeaderReader::Step::wait;
  ProxyHeader header_;
  TlsTransport* tls_ = nullptr;
  bool heard_tls_ = false;
  bool http2_ = false;
};

}  // namespace sluice
