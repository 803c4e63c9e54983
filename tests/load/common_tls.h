// TLS as the load tools' command lines ask for it: files in, the contexts of tls/ out.
#pragma once

#include <memory>
#include <string>

#include "tls/client.h"
#include "tls/server.h"

namespace sluice::load {

// Both throw std::runtime_error, whose text names the file, at start-up only.

// Shows the certificate with its chain, and gives tickets with keys that are made here. With
// `http2` clients that offer h2 by ALPN get it.
std::unique_ptr<TlsServer> make_tls_server(const std::string& certificate_file,
                                           const std::string& key_file, bool http2);

// Before its TLS handshake: h2 is offered by ALPN, and http/1.1 behind it.
void offer_http2(TlsTransport& transport);

// Verifies against the authorities of the file ("": the system's), or not at all.
std::unique_ptr<TlsClient> make_tls_client(const std::string& authorities_file, bool insecure);

}  // namespace sluice::load
