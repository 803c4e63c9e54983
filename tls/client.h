// TlsClient: the side of TLS of all connections toward an upstream, over one OpenSSL context. Made
// from what the conf says.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "net/result.h"
#include "tls/context.h"
#include "tls/credentials.h"
#include "tls/store.h"
#include "tls/transport.h"

namespace sluice {

struct TlsClientSettings {
  TlsPolicy policy;
  bool verify = true;                        // chain and name (RFC 6125)
  Pem authorities;                           // empty: the system's
  std::string server_name;                   // "": the host of the server's URI
  const Credentials* credentials = nullptr;  // for servers that ask; not kept
};

// Immutable once made; connect() from any thread, which keeps the transport.
class TlsClient {
 public:
  static Result<std::unique_ptr<TlsClient>> make(const TlsClientSettings& settings);
  // The store's, where it has one of the same settings; else a new one, which it then has.
  static Result<TlsClientRef> find_or_make(const TlsClientSettings& settings, TlsStore& store);

  // The transport of a connected descriptor. `host` is the server URI's: name or numeric address.
  // `slot` keeps the peer's latest session for the next connection, as long as it may be resumed;
  // it must be used with this peer only, and outlive the transport. A session in it that a client
  // with other demands or another certificate made is dropped. Throws std::bad_alloc.
  std::unique_ptr<TlsTransport> connect(int fd, const std::string& host, TlsSessionSlot& slot,
                                        Alpn offer = Alpn::http1) const;

  uint32_t records_without_data() const { return records_without_data_; }  // of the policy

 private:
  TlsClient() = default;
  static Result<std::unique_ptr<TlsClient>> make(const TlsClientSettings& settings,
                                                 TlsStore& store);

  ContextPtr context_;
  Digest identity_{};  // of what sessions are made with
  ResumptionPolicy resumption_;
  std::string server_name_;
  uint32_t records_without_data_ = 0;
  bool verify_ = true;
};

}  // namespace sluice
