// No method of HTTP begins as these do.
#include "protocol/preface.h"

#include <cstdint>

namespace sluice {

const char* foreign_preface(std::string_view first) {
  constexpr uint8_t tls_handshake_record = 0x16;  // RFC 8446 5.1
  if (static_cast<uint8_t>(first[0]) == tls_handshake_record) return "TLS on a plain port";
  constexpr std::string_view proxy_signature("\r\n\r\n\0\r\nQUIT\n", 12);
  if (first.starts_with("PROXY ") || first.starts_with(proxy_signature)) {
    return "PROXY protocol on a port without it";
  }
  return nullptr;
}

}  // namespace sluice
