// The server's half of the opening handshake (RFC 6455 4.2), written apart from the proxy's own so
// that the two do not share their mistakes.
#pragma once

#include <string>
#include <string_view>

#include "protocol/http1.h"

namespace sluice::load {

struct UpgradeDecision {
  bool upgraded = false;
  std::string answer;       // the whole head, and for a refusal its body
  const char* reason = "";  // of a refusal
};

// A 101, or a 400 that says what is missing. `subprotocol` is agreed on where it is not empty and
// offered.
UpgradeDecision answer_upgrade(const Head& head, std::string_view subprotocol);

// The 400 for a head that is not HTTP.
UpgradeDecision refuse_upgrade(const char* reason);

}  // namespace sluice::load
