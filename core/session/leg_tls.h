// TLS over a leg.
#pragma once

#include "core/session/leg.h"
#include "tls/transport.h"

namespace sluice {

// TlsTransport::handshake of the transport that the leg is wrapped in.
inline TlsTransport::Handshake shake_hands(Leg& leg, TlsTransport& tls) {
  const TlsTransport::Handshake outcome = tls.handshake();
  if (outcome != TlsTransport::Handshake::waiting) leg.assume_readable();
  return outcome;
}

}  // namespace sluice
