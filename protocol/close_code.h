// Close codes: which may stand in a Close frame, and the names of those that sluice sends
// (RFC 6455 section 7.4 and the IANA registry).
#pragma once

#include <cstdint>

namespace sluice {

enum class CloseCode : uint16_t {
  normal = 1000,
  going_away = 1001,
  protocol_error = 1002,
  no_status = 1005,  // never on the wire: a Close without payload
  abnormal = 1006,   // never on the wire: the connection ended without a Close
  invalid_data = 1007,
  policy_violation = 1008,
  message_too_big = 1009,
  internal_error = 1011,
  service_restart = 1012,
  bad_gateway = 1014,
};

// True for 1000 to 1003, 1007 to 1014 and 3000 to 4999: what a peer may send
// (protocol/BAD_INPUT.md).
bool close_code_allowed_on_wire(uint16_t code);

}  // namespace sluice
