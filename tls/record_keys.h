// TlsRecordKeys: the keys of one direction of an established leg, and single records sealed and
// opened with them (RFC 8446 5.2, RFC 5246 6.2.3.3). What a record means is tls/records.h's matter.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice {

// RFC 8446 5.1, 5.2. In TLS 1.2 these ciphers add 24 bytes, which is less than 1.3 allows.
inline constexpr size_t most_tls_plaintext_bytes = 1 << 14;
inline constexpr size_t most_tls_body_bytes = most_tls_plaintext_bytes + 256;
inline constexpr size_t tls_header_bytes = 5;
inline constexpr size_t tls_tag_bytes = 16;
// What a record has beside its content: header, explicit nonce or inner type, tag.
inline constexpr size_t most_tls_overhead_bytes = tls_header_bytes + 8 + tls_tag_bytes;

enum class TlsSuite : uint8_t { aes128_gcm, aes256_gcm, chacha20_poly1305 };

enum class TlsContent : uint8_t { change_cipher_spec = 20, alert, handshake, application_data };

// RFC 8446 6, RFC 5246 7.2.
enum class TlsAlert : uint8_t {
  close_notify = 0,
  unexpected_message = 10,
  bad_record_mac = 20,
  record_overflow = 22,
  illegal_parameter = 47,
  decode_error = 50,
  protocol_version = 70,
  internal_error = 80,
  user_canceled = 90,
  no_renegotiation = 100,
};

// What both directions of a leg have in common.
struct TlsCipher {
  bool tls13 = true;
  TlsSuite suite = TlsSuite::aes128_gcm;
  uint8_t hash_bytes = 32;  // TLS 1.3: of the secrets; 48 stands for SHA-384

  size_t key_bytes() const { return suite == TlsSuite::aes128_gcm ? 16 : 32; }
  // RFC 5288 3: a part of the nonce is sent along.
  bool explicit_nonce() const { return !tls13 && suite != TlsSuite::chacha20_poly1305; }
};

// Move-only: who has two of one would use a nonce twice. What is moved from is wiped.
struct TlsRecordKeys {
  uint8_t secret[48] = {};  // TLS 1.3: the traffic secret
  uint8_t key[32] = {};
  // With explicit nonces 4 bytes of salt, then the number that `sequence` is added to.
  uint8_t iv[12] = {};
  uint64_t sequence = 0;  // of the next record

  TlsRecordKeys() = default;
  TlsRecordKeys(TlsRecordKeys&& other) noexcept;
  TlsRecordKeys& operator=(TlsRecordKeys&& other) noexcept;
  ~TlsRecordKeys() { wipe(); }
  void wipe();

  // TLS 1.3: key and IV of the secret, for record 0 (RFC 8446 7.3). False where OpenSSL fails, with
  // nothing usable left; so for next_generation.
  [[nodiscard]] bool derive(const TlsCipher& cipher);
  // TLS 1.3: what a KeyUpdate makes of them (RFC 8446 7.2).
  [[nodiscard]] bool next_generation(const TlsCipher& cipher);
};

// `count` bytes behind the first `skipped` ones of pieces that hold at least so many.
struct TlsPlaintext {
  std::span<const iovec> pieces;
  size_t skipped = 0;
  size_t count = 0;
};

// Seals at most most_tls_plaintext_bytes as one record into `out`, which has room for them and
// most_tls_overhead_bytes and does not overlap them; returns the record's size. 0 where OpenSSL
// fails or the numbers are used up: nothing more may be sealed then. A number is never used again,
// whatever happens.
size_t seal_record(const TlsCipher& cipher, TlsRecordKeys& keys, TlsContent type,
                   const TlsPlaintext& plaintext, uint8_t* out);

// What a record holds, where it lay; or why it does not open: its bytes are overwritten then.
struct OpenedRecord {
  bool ok = false;
  TlsAlert alert = TlsAlert::internal_error;  // unless ok
  TlsContent type = TlsContent::application_data;
  std::span<uint8_t> content;
};
// Opens a whole record, header included, in place. `keys` move on to the next number.
OpenedRecord open_record(const TlsCipher& cipher, TlsRecordKeys& keys, std::span<uint8_t> record);

// What a thread that seals and opens needs of OpenSSL, made at once rather than at its first
// records. For prepare_tls: processes that are forked later have it, too.
void prepare_record_keys();

// Is told each key and nonce before something is sealed with them; null but in tests and the
// simulator, which keep a ledger of them. Set while no other thread seals.
using TlsNonceHook = void (*)(std::span<const uint8_t> key, std::span<const uint8_t> nonce);
inline TlsNonceHook tls_nonce_hook = nullptr;

}  // namespace sluice
