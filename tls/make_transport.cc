// The one place where a TlsTransport is made, apart from what it does: the simulator links a
// watched one in its place.
#include "tls/transport.h"

namespace sluice {

std::unique_ptr<TlsTransport> make_tls_transport(SSL* ssl, int fd, uint32_t records_without_data) {
  return std::make_unique<TlsTransport>(ssl, fd, records_without_data);
}

}  // namespace sluice
