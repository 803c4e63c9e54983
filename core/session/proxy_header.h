// ProxyHeaderReader: takes the PROXY header off the front of a client's connection, and not a byte
// more, so that what comes behind it (TLS, a request) finds its own first byte in the socket.
#pragma once

#include <cstdint>

#include "core/config.h"
#include "core/session/client_address.h"
#include "core/session/leg.h"
#include "protocol/proxy_protocol.h"

namespace sluice {

class ProxyHeaderReader {
 public:
  enum class Step : uint8_t {
    wait,
    done,       // header() was taken
    untrusted,  // the connection does not come from one of `trusted`
    bad,        // reason() says why
    left,       // the client is gone before its header was whole
  };

  // All outlive this. The leg is bare: PROXY comes before TLS.
  ProxyHeaderReader(Leg& client, const TrustedProxies& trusted, const ClientAddress& hop)
      : client_(client), trusted_(trusted), hop_(hop) {}

  Step run();

  bool heard() const { return heard_; }  // a byte came
  const ProxyHeader& header() const { return header_; }
  const char* reason() const { return reason_; }  // static text

 private:
  Step take();

  Leg& client_;
  const TrustedProxies& trusted_;
  const ClientAddress& hop_;
  ProxyHeader header_;
  const char* reason_ = "";
  bool heard_ = false;
};

// Whom the header names: `own` where it names nobody (LOCAL, UNKNOWN, UNSPEC).
ClientAddress client_of(const ProxyHeader& header, const ClientAddress& own);
// What that client connected to, in the same way.
ClientAddress destination_of(const ProxyHeader& header, const ClientAddress& own);

}  // namespace sluice
