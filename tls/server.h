// TlsServer: a listener's side of TLS, over an OpenSSL context for each of its certificates. Made
// from what the conf says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/result.h"
#include "tls/context.h"
#include "tls/credentials.h"
#include "tls/store.h"
#include "tls/transport.h"

namespace sluice {

enum class VerifyClient : uint8_t { off, optional, on };

struct TlsServerSettings {
  std::vector<Credentials> credentials;  // never empty; the first is shown where no name fits
  TlsPolicy policy;
  Pem client_authorities;  // needed unless verify_client is off
  VerifyClient verify_client = VerifyClient::off;
  bool http2 = false;  // is offered by ALPN, before HTTP/1.1
};

// One certificate and the context that shows it. Immutable once made; several TlsServers share it.
struct ServedCertificate {
  std::vector<std::string> names;
  std::string ocsp_response;  // callbacks point to it, and to the next
  ResumptionPolicy resumption;
  ContextPtr context;
};

// One that is shown, for who watches when it ends.
struct CertificateTerm {
  std::string_view name;  // its first; "" where it has none
  int64_t ends_s = 0;     // since 1970
};

// Immutable once made; accept() from any thread, which keeps the transport.
class TlsServer {
 public:
  // Takes over the settings' objects. A Fault names what OpenSSL refuses.
  static Result<std::unique_ptr<TlsServer>> make(TlsServerSettings settings);

  // The transport of an accepted descriptor, which stays the caller's; the TLS handshake is yet to
  // come, and needs this object. Throws std::bad_alloc.
  std::unique_ptr<TlsTransport> accept(int fd) const;

  uint32_t records_without_data() const { return records_without_data_; }  // of the policy
  // In the conf's order; views into this.
  std::vector<CertificateTerm> certificates() const;

 private:
  friend class TlsServerMaker;

  TlsServer() = default;
  SSL_CTX* context_for(std::string_view server_name) const;
  static int on_server_name(SSL* ssl, int* alert, void* unused);

  uint32_t records_without_data_ = 0;
  ResumptionPolicy resumption_;
  std::vector<ServedCertificateRef> served_;
};
using TlsServerRef = std::shared_ptr<const TlsServer>;

// Makes a TlsServer certificate by certificate, for a process that serves meanwhile.
class TlsServerMaker {
 public:
  // Takes contexts from the store and puts new ones there; it outlives this.
  TlsServerMaker(TlsServerSettings settings, TlsStore& store);

  // Finds or makes the context of the next certificate. False when nothing is left, also after a
  // Fault.
  bool step();
  // Once, when step() returned false. A Fault names what OpenSSL refuses.
  Result<std::unique_ptr<TlsServer>> finish();

 private:
  Digest made_of(const Credentials& credentials) const;
  Result<ServedCertificateRef> serve(Credentials& credentials);
  Status ask_for_certificate(SSL_CTX* context);

  TlsServerSettings settings_;
  TlsStore* store_;
  Digest identity_;  // of what sessions are made with, whichever certificate is shown
  size_t made_ = 0;
  Status outcome_ = Done{};
  std::unique_ptr<TlsServer> server_;
};

}  // namespace sluice
