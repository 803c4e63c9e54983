// TlsTakeover: from an SSL object to what TlsRecords goes on with. The only file that knows which
// of OpenSSL's callbacks tell secrets and count records: documented ones, but their timing is no
// promise, so that nothing is taken over without a proof.
//
// Secrets go from the callback into this object, and nowhere else.
#pragma once

#include <openssl/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "tls/records.h"

namespace sluice {

// Of one connection, from its SSL_new on; put into the SSL, which must outlive it.
class TlsTakeover {
 public:
  // Whether OpenSSL's place can be taken, or why it stays.
  enum class Outcome : uint8_t {
    taken,
    busy,        // for now: pending data, a TLS handshake, a shutdown
    version,     // neither TLS 1.2 nor 1.3
    cipher,      // none of TlsSuite's
    fragments,   // a smaller size of records was agreed upon (RFC 6066 4), or compression
    key_update,  // keys were changed meanwhile
    secrets,     // OpenSSL did not tell them
    unproved,    // the last record does not open with what was derived, or was not seen
  };
  static constexpr size_t outcomes = 8;
  // Beyond it, a call's output is not looked at: a connection that moves so much is not handed over
  // at that moment.
  static constexpr size_t most_proof_bytes = 20 * 1024;

  // Before connections are made of the context: what it takes costs a few microseconds a TLS
  // handshake.
  static void watch(SSL_CTX* context);
  static bool watches(const SSL* ssl);

  explicit TlsTakeover(SSL* ssl);
  TlsTakeover(const TlsTakeover&) = delete;
  TlsTakeover& operator=(const TlsTakeover&) = delete;
  ~TlsTakeover();

  // After each call in which OpenSSL wrote something: all of it. The last record is the proof: it
  // must open with the derived key under the number before the next.
  void sealed(std::span<const uint8_t> records);
  // Once the SSL is to go; it must not seal anything any more where `keys` are given. A second call
  // gives none.
  Outcome finish(std::optional<TlsLegKeys>& keys);

  // For SSL_CTX_set_keylog_callback(3) and SSL_CTX_set_msg_callback(3); public for tests.
  static void on_secret(const SSL* ssl, const char* line);
  static void on_message(int sent, int version, int type, const void* bytes, size_t count, SSL* ssl,
                         void* argument);

 private:
  Outcome describe();
  bool derive();
  bool derive_out_of_master();
  bool prove(std::span<const uint8_t> record);

  SSL* ssl_;
  TlsLegKeys keys_;
  uint64_t sealed_ = 0;  // records, since the present key
  uint64_t opened_ = 0;  // begun by OpenSSL, likewise
  uint64_t proved_ = 0;  // `sealed_` at the proof; 0: none
  bool out_told_ = false;
  bool in_told_ = false;
  bool derived_ = false;
  bool key_updated_ = false;
};

}  // namespace sluice
