// TlsGround: what TLS in simulated runs stands on, namely randomness that the seed decides, one
// authority with the certificates that it signed, and the peers' OpenSSL contexts.
#pragma once

#include <memory>
#include <string>

#include "tests/sim/random.h"
#include "tls/credentials.h"

namespace sluice::sim {

using SessionPtr = std::unique_ptr<SSL_SESSION, OpenSslFree<&SSL_SESSION_free>>;

// From here on OpenSSL draws from `random`, which outlives that.
void feed_openssl(Random& random);

// The certificate of a simulated server.
enum class Shown : uint8_t { good, untrusted, wrong_name };

// Made once in a process, always the same bytes: keys are Ed25519's, whose signatures are
// deterministic and of one length.
class TlsGround {
 public:
  static TlsGround& get();
  TlsGround(const TlsGround&) = delete;
  TlsGround& operator=(const TlsGround&) = delete;

  // The listener's own.
  Credentials credentials() const;
  const std::string& authority() const { return authority_pem_; }
  // A client that trusts the authority, with or without a certificate of its own. A session that it
  // is given goes into `*session`, which outlives it.
  SslPtr new_client(bool certified, SessionPtr* session);
  SslPtr new_server(Shown shown);

 private:
  struct Identity {
    CertificatePtr certificate;
    KeyPtr key;
  };

  TlsGround();
  Identity make(const char* name, const char* alternative_name, const Identity* issuer);
  ContextPtr context_for(const Identity& identity, const SSL_METHOD* method);

  Random random_;
  long serial_ = 0;
  std::string authority_pem_;
  Identity authority_;
  Identity listener_;
  Identity client_;
  ContextPtr servers_[3];  // by Shown
  ContextPtr clients_[2];  // without and with a certificate
};

}  // namespace sluice::sim
