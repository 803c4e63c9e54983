// The common part of all TLS connections of a listener, or toward an upstream: TlsServer and
// TlsClient, each over OpenSSL contexts. Made in the master from what the conf says, used in
// workers.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/result.h"
#include "tls/credentials.h"
#include "tls/resumption.h"
#include "tls/transport.h"

namespace sluice {

struct TlsProtocols {
  bool tls12 = true;
  bool tls13 = true;
};

// The settings of both roles. `ciphers` are OpenSSL's names, TLS 1.3's (TLS_...) among them, joined
// by
// ':'; "" stands for Mozilla's intermediate suites, and half a list for those of the other version.
struct TlsPolicy {
  TlsProtocols protocols;
  std::string ciphers;
  // Limits of the chain that a peer shows: intermediates between its certificate and the trusted
  // authority, and bytes, which are received before anything is verified.
  uint32_t verify_depth = 4;
  uint32_t chain_bytes = 20 * 1024;
  uint32_t records_without_data = 32;  // as TlsTransport counts them; 0: any number
  std::string revoked{};          // CRLs in PEM form, one of each issuer met; "": none is asked
  ResumptionPolicy resumption{};  // by tickets of ours, or of a server's
};

enum class VerifyClient : uint8_t { off, optional, on };

struct TlsServerSettings {
  std::vector<Credentials> credentials;  // never empty; the first is shown where no name fits
  TlsPolicy policy;
  std::string client_authorities;  // PEM; needed unless verify_client is off
  VerifyClient verify_client = VerifyClient::off;
};

// One listener's side of TLS. Immutable once made; accept() from any thread, which keeps the
// transport.
class TlsServer {
 public:
  // Takes over the settings' objects. A Fault names what OpenSSL refuses.
  static Result<std::unique_ptr<TlsServer>> make(TlsServerSettings settings);

  // The transport of an accepted descriptor, which stays the caller's; the TLS handshake is yet to
  // come, and needs this object. Throws std::bad_alloc.
  std::unique_ptr<TlsTransport> accept(int fd) const;

  uint32_t records_without_data() const { return records_without_data_; }  // of the policy

 private:
  struct ServedCertificate {
    std::vector<std::string> names;
    std::string ocsp_response;
    ContextPtr context;
  };

  TlsServer() = default;
  SSL_CTX* context_for(std::string_view server_name) const;
  static int on_server_name(SSL* ssl, int* alert, void* self);

  uint32_t records_without_data_ = 0;
  ResumptionPolicy resumption_;                             // callbacks point to it
  std::vector<std::unique_ptr<ServedCertificate>> served_;  // callbacks point into them
};

struct TlsClientSettings {
  TlsPolicy policy;
  bool verify = true;                        // chain and name (RFC 6125)
  std::string authorities;                   // PEM; "": the system's
  std::string server_name;                   // "": the host of the server's URI
  const Credentials* credentials = nullptr;  // for servers that ask; not kept
};

// One upstream's side of TLS. Immutable once made; connect() from any thread, which keeps the
// transport.
class TlsClient {
 public:
  static Result<std::unique_ptr<TlsClient>> make(const TlsClientSettings& settings);

  // The transport of a connected descriptor. `host` is the server URI's: name or numeric address.
  // `slot` keeps the peer's latest session for the next connection, as long as it may be resumed;
  // it must be used with this peer only, and outlive the transport. A session in it that a client
  // with other demands or another certificate made is dropped. Throws std::bad_alloc.
  std::unique_ptr<TlsTransport> connect(int fd, const std::string& host,
                                        TlsSessionSlot& slot) const;

  uint32_t records_without_data() const { return records_without_data_; }  // of the policy

 private:
  TlsClient() = default;

  ContextPtr context_;
  std::array<unsigned char, 32> identity_{};  // a digest of what sessions are made with
  ResumptionPolicy resumption_;
  std::string server_name_;
  uint32_t records_without_data_ = 0;
  bool verify_ = true;
};

// The first name in a ':'-separated list of ciphers that OpenSSL does not know; "" is none either.
std::optional<std::string> unknown_cipher(const std::string& ciphers);

// The trust anchors of the system; null where it has none. Made once.
X509_STORE* system_authorities();

}  // namespace sluice
