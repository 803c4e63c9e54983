// RequestReader: a client's request head, from its first byte to its last.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "core/config.h"
#include "core/session/leg.h"
#include "protocol/handshake.h"
#include "protocol/http1.h"
#include "tls/transport.h"

namespace sluice {

class RequestReader {
 public:
  enum class Step : uint8_t {
    wait,
    again,     // more is there than one turn should take: call it once others had theirs
    complete,  // head() stands
    refused,   // refusal() says why
    left,      // the client is gone; refusal() says why, with status 0, where it is worth a line
  };

  static constexpr int read_rounds = 32;  // reads in a row, then others get their turn

  // Both outlive this.
  RequestReader(Leg& client, const ListenConfig& listener);
  // The leg is wrapped in that transport, which tells why it failed. It outlives the next calls.
  void secured_by(const TlsTransport* tls) { tls_ = tls; }

  // Puts bytes of the request that came behind the one before. To be called first.
  void begin_with(std::string bytes) { early_ = std::move(bytes); }

  Step read();

  // The client sent a byte of a request, or broke a limit of TLS before it.
  bool heard() const { return heard_; }
  // After `complete`; views into this.
  const RequestHead& head() const { return parser_.request(); }
  // As far as it was read, for the log.
  RequestHead head_so_far() const { return parser_.request_so_far(); }
  // After `complete`: bytes that came behind the head.
  std::string_view early() const { return early_; }
  const Refusal& refusal() const { return refusal_; }

 private:
  Step take(std::string_view bytes);
  Step leave();
  Step refuse(Refusal refusal);

  Leg& client_;
  const ListenConfig& listener_;
  const TlsTransport* tls_ = nullptr;
  Http1Parser parser_;
  std::string early_;
  Refusal refusal_;
  bool heard_ = false;
};

}  // namespace sluice
