// TLS over a leg.
#pragma once

#include <string>

#include "core/session/leg.h"
#include "tls/transport.h"

namespace sluice {

// TlsTransport::handshake of the transport that the leg is wrapped in.
inline TlsTransport::Handshake shake_hands(Leg& leg, TlsTransport& tls) {
  const TlsTransport::Handshake outcome = tls.handshake();
  if (outcome != TlsTransport::Handshake::waiting) leg.assume_readable();
  return outcome;
}

// "TLSv1.3, TLS_AES_256_GCM_SHA384, resumed", once the handshake is done.
inline std::string tls_text(const TlsTransport& tls) {
  std::string text(tls.version());
  text.append(", ").append(tls.cipher());
  return text + (tls.resumed() ? ", resumed" : "");
}

}  // namespace sluice
