// Preface: what stands before a client's request, namely the TLS handshake of a TLS listener.
#pragma once

#include <cstdint>

#include "core/config.h"
#include "core/session/leg.h"
#include "tls/transport.h"

namespace sluice {

class Preface {
 public:
  enum class Step : uint8_t {
    wait,
    again,       // more is there than one turn should take: call it once others had theirs
    done,        // the leg is secured; a request comes next
    plain_http,  // the client speaks HTTP without TLS; the leg is bare again
    failed,      // no answer is possible; an alert may be on its way
  };

  // Both outlive this.
  Preface(Leg& client, const TlsServer& tls) : client_(client), server_(tls) {}

  Step run();

  // The client sent at least a byte of TLS.
  bool heard() const { return heard_; }
  // The transport that the leg is wrapped in; null before the first byte and after `plain_http`.
  TlsTransport* tls() const { return tls_; }

 private:
  Leg& client_;
  const TlsServer& server_;
  TlsTransport* tls_ = nullptr;
  bool heard_ = false;
};

}  // namespace sluice
