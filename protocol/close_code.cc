// Close codes: the table behind close_code.h.
#include "protocol/close_code.h"

namespace sluice {

bool close_code_allowed_on_wire(uint16_t code) {
  if (code >= 3000) return code <= 4999;  // registered with IANA, and private use
  if (code >= 1007) return code <= 1014;
  return code >= 1000 && code <= 1003;
}

}  // namespace sluice
