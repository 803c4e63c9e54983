// TlsRecords: the record layer of an established leg, in place of an SSL object: what is sealed,
// what is opened, and what may still come once the TLS handshake is done. No I/O; OpenSSL's EVP
// does all cryptography. TLS 1.3 (RFC 8446) and 1.2 (RFC 5246) with AEAD ciphers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tls/record_keys.h"

namespace sluice {

// What a leg is continued with.
struct TlsLegKeys {
  TlsCipher cipher;
  bool server = false;  // our role
  TlsRecordKeys out;
  TlsRecordKeys in;
};

// Move-only; what is moved from, and what is destroyed, is wiped. Records cost no allocation, once
// the thread has sealed and opened one with that cipher; a change of keys costs OpenSSL's own.
class TlsRecords {
 public:
  // Records in a row without application data beyond which the peer is at fault, where nothing else
  // is said. Of those, TLS 1.2 asks for renegotiation and other warnings are fewer.
  static constexpr uint32_t most_silent_records = 32;
  static constexpr uint8_t most_warnings = 4;  // OpenSSL's limit, too
  // TLS 1.3: the key is changed after so many records (RFC 8446 5.5 permits 2^24.5 of full size).
  static constexpr uint64_t most_records_a_key = 1ULL << 23;
  // What sealing adds to content, a KeyUpdate before it included; what one record may ask for, in
  // which as many wishes to renegotiate may stand as there are warnings, and one more.
  static constexpr size_t most_seal_overhead_bytes = 2 * most_tls_overhead_bytes + 5;
  static constexpr size_t most_answer_bytes = (most_warnings + 1) * (most_tls_overhead_bytes + 5);

  // Where records go that nobody sent data in: alerts, key updates. In their order with sealed data
  // they must reach the peer.
  struct Output {
    std::span<uint8_t> room;
    size_t bytes = 0;
  };

  enum class Kind : uint8_t {
    partial,  // of a record; nothing was taken
    data,     // application data, at least a byte
    silent,   // taken, and nothing to tell
    closed,   // the peer's close_notify, now or before: nothing follows
    failed,   // failure() says why; an alert is in the answers unless the peer sent one
  };
  struct Taken {
    Kind kind;
    size_t bytes = 0;         // of the window, used up
    std::span<uint8_t> data;  // within them
  };

  // Why the leg is lost.
  enum class Failure : uint8_t {
    none,
    own_alert,    // the peer broke a rule, or OpenSSL has no memory (internal_error)
    peers_alert,  // the peer told so
    silence,      // more records in a row without data than it may send
  };

  // 0 silent records: any number.
  explicit TlsRecords(TlsLegKeys keys, uint32_t silent_records = most_silent_records);
  TlsRecords(TlsRecords&& other) noexcept = default;
  TlsRecords& operator=(TlsRecords&&) = delete;
  ~TlsRecords() = default;

  // One record of `window`, opened in place. Room for most_answer_bytes must be left.
  Taken take(std::span<uint8_t> window, Output& answers);
  // Seals plaintext, at most most_tls_plaintext_bytes, as one record behind `output`, before it a
  // KeyUpdate where the key has sealed enough; room must be left for the content and
  // most_seal_overhead_bytes. False: nothing may be sent any more, be it after a failure or after
  // close().
  [[nodiscard]] bool seal(const TlsPlaintext& plaintext, Output& output);
  // TLS 1.3: a KeyUpdate of ours, and the peer's is asked for where none is awaited. Room for
  // most_answer_bytes must be left.
  void update_key(Output& answers, bool ask_peer);
  // close_notify, once. Room as above.
  void close(Output& answers);

  Failure failure() const { return failure_; }
  TlsAlert alert() const { return alert_; }  // of a failure
  bool closed_by_peer() const { return closed_in_; }
  bool closed() const { return closed_out_; }  // nothing can be sealed any more
  const TlsCipher& cipher() const { return keys_.cipher; }
  uint32_t silent_records() const { return silent_; }  // in a row, up to now

 private:
  bool put(TlsContent type, std::span<const uint8_t> content, Output& output);
  void seal_key_update(Output& output, bool ask);
  Taken fail(Failure failure, TlsAlert alert, Output& answers);
  Taken take_opened(const OpenedRecord& record, size_t bytes, Output& answers);
  Taken take_alert(std::span<const uint8_t> content, size_t bytes, Output& answers);
  // These return false after a failure.
  bool take_handshake(std::span<const uint8_t> content, Output& answers);
  bool begin_message(Output& answers);
  bool end_message(size_t bytes_behind, Output& answers);
  bool count_warning(Output& answers);
  bool count_silent(Output& answers);
  void lose();

  TlsLegKeys keys_;
  uint32_t most_silent_;
  uint32_t silent_ = 0;     // records in a row without application data
  uint32_t body_left_ = 0;  // of a handshake message of which a part has come
  uint8_t header_[4] = {};  // its header
  uint8_t header_bytes_ = 0;
  uint8_t last_byte_ = 0;  // of its body
  uint8_t warnings_ = 0;   // in a row
  Failure failure_ = Failure::none;
  TlsAlert alert_ = TlsAlert::close_notify;
  bool closed_in_ : 1 = false;
  bool closed_out_ : 1 = false;
  bool update_asked_ : 1 = false;  // of the peer, and not yet come
};

}  // namespace sluice
