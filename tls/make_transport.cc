// The one place where a TlsTransport is made, apart from what it does: the simulator links a
// watched one in its place.
#include "tls/transport.h"

namespace sluice {

std::unique_ptr<TlsTransport> make_tls_transport(SSL* ssl, int fd) {
  return std::make_unique<TlsTransport>(ssl, fd);
}

}  // namespace sluice
