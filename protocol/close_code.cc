// Close codes: the table behind close_code.h.
#include "protocol/close_code.h"

namespace sluice {

bool close_code_allowed_on_wire(uint16_t code) {
  if (code >= 3000) return code <= 4999;  // registered with IANA, and private use
  if (code >= 1007) return code <= 1014;
  return code >= 1000 && code <= 1003;
}

std::string_view close_code_name(uint16_t code) {
  switch (code) {
    case 1000:
      return "normal closure";
    case 1001:
      return "going away";
    case 1002:
      return "protocol error";
    case 1003:
      return "unsupported data";
    case 1005:
      return "no status";
    case 1006:
      return "abnormal closure";
    case 1007:
      return "invalid data";
    case 1008:
      return "policy violation";
    case 1009:
      return "message too big";
    case 1010:
      return "mandatory extension";
    case 1011:
      return "internal error";
    case 1012:
      return "service restart";
    case 1013:
      return "try again later";
    case 1014:
      return "bad gateway";
    case 1015:
      return "TLS handshake failed";
    default:
      return "";
  }
}

}  // namespace sluice
