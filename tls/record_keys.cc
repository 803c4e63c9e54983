// EVP does all cryptography, with contexts of the thread that are given the key for every record: a
// cache of keyed ones gains nothing where many legs are busy, and would keep keys of closed ones.
#include "tls/record_keys.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string_view>

#include "net/check.h"
#include "tls/openssl_ptr.h"

namespace sluice {

namespace {

using CipherContextPtr = std::unique_ptr<EVP_CIPHER_CTX, OpenSslFree<&EVP_CIPHER_CTX_free>>;
using MacContextPtr = std::unique_ptr<EVP_MAC_CTX, OpenSslFree<&EVP_MAC_CTX_free>>;
using CipherPtr = std::unique_ptr<EVP_CIPHER, OpenSslFree<&EVP_CIPHER_free>>;
using MacPtr = std::unique_ptr<EVP_MAC, OpenSslFree<&EVP_MAC_free>>;

constexpr size_t nonce_bytes = 12;
constexpr const char* cipher_names[] = {"AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305"};

// Each made at its first use; null where memory is short, and the next record tries again.
struct Contexts {
  CipherContextPtr ciphers[std::size(cipher_names)][2];
  MacContextPtr macs[2];

  EVP_CIPHER_CTX* cipher(TlsSuite suite, bool sealing) {
    CipherContextPtr& context = ciphers[static_cast<size_t>(suite)][sealing ? 1 : 0];
    if (context != nullptr) return context.get();
    const CipherPtr fetched(
        EVP_CIPHER_fetch(nullptr, cipher_names[static_cast<size_t>(suite)], nullptr));
    CipherContextPtr made(EVP_CIPHER_CTX_new());
    const bool ready = fetched != nullptr && made != nullptr &&
                       EVP_CipherInit_ex2(made.get(), fetched.get(), nullptr, nullptr,
                                          sealing ? 1 : 0, nullptr) == 1;
    if (ready) context = std::move(made);
    return context.get();
  }
  EVP_MAC_CTX* hmac(size_t hash_bytes) {
    MacContextPtr& context = macs[hash_bytes == 48 ? 1 : 0];
    if (context != nullptr) return context.get();
    const MacPtr fetched(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
    if (fetched == nullptr) return nullptr;
    MacContextPtr made(EVP_MAC_CTX_new(fetched.get()));
    char digest[] = "SHA256";
    if (hash_bytes == 48) std::memcpy(digest, "SHA384", sizeof digest);
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    const bool ready = made != nullptr && EVP_MAC_CTX_set_params(made.get(), parameters) == 1;
    if (ready) context = std::move(made);
    return context.get();
  }
};

Contexts& contexts() {
  thread_local Contexts of_thread;
  return of_thread;
}

void put_big_endian(uint64_t number, uint8_t* out) {
  for (int i = 7; i >= 0; --i, number >>= 8) out[i] = static_cast<uint8_t>(number);
}
uint64_t big_endian(const uint8_t* bytes) {
  uint64_t number = 0;
  for (int i = 0; i < 8; ++i) number = number << 8 | bytes[i];
  return number;
}

// HKDF-Expand-Label without a context (RFC 8446 7.1); what is asked for is never more than one
// block of the hash.
bool expand_label(const TlsCipher& cipher, const uint8_t* secret, std::string_view label,
                  std::span<uint8_t> out) {
  constexpr std::string_view prefix = "tls13 ";
  uint8_t info[40];
  size_t bytes = 0;
  info[bytes++] = 0;
  info[bytes++] = static_cast<uint8_t>(out.size());
  info[bytes++] = static_cast<uint8_t>(prefix.size() + label.size());
  bytes += prefix.copy(reinterpret_cast<char*>(info + bytes), prefix.size());
  bytes += label.copy(reinterpret_cast<char*>(info + bytes), label.size());
  info[bytes++] = 0;
  info[bytes++] = 1;  // the first block
  uint8_t block[48];
  size_t written = 0;
  EVP_MAC_CTX* const mac = contexts().hmac(cipher.hash_bytes);
  const bool done = mac != nullptr && EVP_MAC_init(mac, secret, cipher.hash_bytes, nullptr) == 1 &&
                    EVP_MAC_update(mac, info, bytes) == 1 &&
                    EVP_MAC_final(mac, block, &written, sizeof block) == 1 && written >= out.size();
  if (done) std::memcpy(out.data(), block, out.size());
  OPENSSL_cleanse(block, sizeof block);
  return done;
}

void make_nonce(const TlsCipher& cipher, const TlsRecordKeys& keys, uint8_t* nonce) {
  std::memcpy(nonce, keys.iv, nonce_bytes);
  const uint64_t last = big_endian(nonce + 4);
  put_big_endian(cipher.explicit_nonce() ? last + keys.sequence : last ^ keys.sequence, nonce + 4);
}

// What is authenticated beside the content (RFC 8446 5.2, RFC 5246 6.2.3.3).
struct Additional {
  uint8_t bytes[13];
  size_t count;

  Additional(const TlsCipher& cipher, uint64_t sequence, const uint8_t* header,
             size_t content_bytes) {
    if (cipher.tls13) {
      std::memcpy(bytes, header, count = tls_header_bytes);
      return;
    }
    count = sizeof bytes;
    put_big_endian(sequence, bytes);
    std::memcpy(bytes + 8, header, 3);
    bytes[11] = static_cast<uint8_t>(content_bytes >> 8);
    bytes[12] = static_cast<uint8_t>(content_bytes);
  }
};

// Of a cipher that adds nothing: as many bytes come out as go in.
bool update(EVP_CIPHER_CTX* context, uint8_t* out, const void* in, size_t count) {
  int written = 0;
  return EVP_CipherUpdate(context, out, &written, static_cast<const uint8_t*>(in),
                          static_cast<int>(count)) == 1;
}

// Returns where it ends, or null.
uint8_t* update_all(EVP_CIPHER_CTX* context, const TlsPlaintext& plaintext, uint8_t* out) {
  size_t skipped = plaintext.skipped;
  size_t left = plaintext.count;
  for (const iovec& piece : plaintext.pieces) {
    if (left == 0) break;
    if (skipped >= piece.iov_len) {
      skipped -= piece.iov_len;
      continue;
    }
    const size_t count = std::min(left, piece.iov_len - skipped);
    if (!update(context, out, static_cast<const uint8_t*>(piece.iov_base) + skipped, count)) {
      return nullptr;
    }
    out += count;
    left -= count;
    skipped = 0;
  }
  SLUICE_CHECK(left == 0);
  return out;
}

OpenedRecord refused(TlsAlert alert) {
  OpenedRecord record;
  record.alert = alert;
  return record;
}

bool decrypt(EVP_CIPHER_CTX* context, const Additional& additional, std::span<uint8_t> content,
             uint8_t* tag) {
  int written = 0;
  uint8_t none[1];
  return update(context, nullptr, additional.bytes, additional.count) &&
         (content.empty() || update(context, content.data(), content.data(), content.size())) &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, tls_tag_bytes, tag) == 1 &&
         EVP_CipherFinal_ex(context, none, &written) == 1;
}

// TLS 1.3: the type is the last byte that is not 0 (RFC 8446 5.4).
OpenedRecord without_padding(std::span<uint8_t> inner) {
  size_t end = inner.size();
  while (end > 0 && inner[end - 1] == 0) --end;
  if (end == 0) return refused(TlsAlert::unexpected_message);
  if (inner.size() > most_tls_plaintext_bytes + 1) return refused(TlsAlert::record_overflow);
  OpenedRecord record;
  record.ok = true;
  record.type = static_cast<TlsContent>(inner[end - 1]);
  record.content = inner.first(end - 1);
  return record;
}

}  // namespace

TlsRecordKeys::TlsRecordKeys(TlsRecordKeys&& other) noexcept {
  *this = std::move(other);
}

TlsRecordKeys& TlsRecordKeys::operator=(TlsRecordKeys&& other) noexcept {
  if (this == &other) return *this;
  std::memcpy(secret, other.secret, sizeof secret);
  std::memcpy(key, other.key, sizeof key);
  std::memcpy(iv, other.iv, sizeof iv);
  sequence = other.sequence;
  other.wipe();
  return *this;
}

void TlsRecordKeys::wipe() {
  OPENSSL_cleanse(secret, sizeof secret);
  OPENSSL_cleanse(key, sizeof key);
  OPENSSL_cleanse(iv, sizeof iv);
  sequence = UINT64_MAX;  // nothing can be sealed any more
}

bool TlsRecordKeys::derive(const TlsCipher& cipher) {
  sequence = 0;
  const bool done = expand_label(cipher, secret, "key", {key, cipher.key_bytes()}) &&
                    expand_label(cipher, secret, "iv", iv);
  if (!done) wipe();
  return done;
}

bool TlsRecordKeys::next_generation(const TlsCipher& cipher) {
  uint8_t next[sizeof secret] = {};
  const bool done = expand_label(cipher, secret, "traffic upd", {next, cipher.hash_bytes});
  std::memcpy(secret, next, sizeof secret);
  OPENSSL_cleanse(next, sizeof next);
  if (done) return derive(cipher);
  wipe();
  return false;
}

void prepare_record_keys() {
  for (const bool sealing : {false, true}) {
    contexts().cipher(TlsSuite::aes128_gcm, sealing);
    contexts().cipher(TlsSuite::aes256_gcm, sealing);
    contexts().cipher(TlsSuite::chacha20_poly1305, sealing);
  }
  for (const size_t hash_bytes : {size_t{32}, size_t{48}}) contexts().hmac(hash_bytes);
}

size_t seal_record(const TlsCipher& cipher, TlsRecordKeys& keys, TlsContent type,
                   const TlsPlaintext& plaintext, uint8_t* out) {
  SLUICE_CHECK(plaintext.count <= most_tls_plaintext_bytes);
  if (keys.sequence == UINT64_MAX) return 0;
  const size_t explicit_bytes = cipher.explicit_nonce() ? 8 : 0;
  const size_t inner_bytes = plaintext.count + (cipher.tls13 ? 1 : 0);
  const size_t body_bytes = explicit_bytes + inner_bytes + tls_tag_bytes;
  uint8_t nonce[nonce_bytes];
  make_nonce(cipher, keys, nonce);
  if (tls_nonce_hook != nullptr) {
    tls_nonce_hook({keys.key, cipher.key_bytes()}, {nonce, nonce_bytes});
  }
  const TlsContent outer = cipher.tls13 ? TlsContent::application_data : type;
  const uint8_t header[tls_header_bytes] = {static_cast<uint8_t>(outer), 3, 3,
                                            static_cast<uint8_t>(body_bytes >> 8),
                                            static_cast<uint8_t>(body_bytes)};
  const Additional additional(cipher, keys.sequence++, header, plaintext.count);
  EVP_CIPHER_CTX* const context = contexts().cipher(cipher.suite, true);
  if (context == nullptr) return 0;
  std::memcpy(out, header, sizeof header);
  std::memcpy(out + sizeof header, nonce + 4, explicit_bytes);
  if (EVP_CipherInit_ex2(context, nullptr, keys.key, nonce, 1, nullptr) != 1) return 0;
  if (!update(context, nullptr, additional.bytes, additional.count)) return 0;
  uint8_t* at = update_all(context, plaintext, out + sizeof header + explicit_bytes);
  if (at == nullptr) return 0;
  const auto inner_type = static_cast<uint8_t>(type);
  if (cipher.tls13 && !update(context, at++, &inner_type, 1)) return 0;
  int written = 0;
  const bool sealed = EVP_CipherFinal_ex(context, at, &written) == 1 &&
                      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, tls_tag_bytes, at) == 1;
  return sealed ? tls_header_bytes + body_bytes : 0;
}

OpenedRecord open_record(const TlsCipher& cipher, TlsRecordKeys& keys, std::span<uint8_t> record) {
  const size_t explicit_bytes = cipher.explicit_nonce() ? 8 : 0;
  const uint8_t* const header = record.data();
  const auto outer = static_cast<TlsContent>(header[0]);
  if (cipher.tls13 && outer != TlsContent::application_data) {
    return refused(TlsAlert::unexpected_message);
  }
  if (record.size() < tls_header_bytes + explicit_bytes + tls_tag_bytes) {
    return refused(TlsAlert::bad_record_mac);
  }
  if (keys.sequence == UINT64_MAX) return refused(TlsAlert::internal_error);
  const std::span<uint8_t> content =
      record.subspan(tls_header_bytes + explicit_bytes,
                     record.size() - tls_header_bytes - explicit_bytes - tls_tag_bytes);
  if (!cipher.tls13 && content.size() > most_tls_plaintext_bytes) {
    return refused(TlsAlert::record_overflow);
  }
  uint8_t nonce[nonce_bytes];
  make_nonce(cipher, keys, nonce);
  std::memcpy(nonce + 4, header + tls_header_bytes, explicit_bytes);
  const Additional additional(cipher, keys.sequence, header, content.size());
  EVP_CIPHER_CTX* const context = contexts().cipher(cipher.suite, false);
  if (context == nullptr ||
      EVP_CipherInit_ex2(context, nullptr, keys.key, nonce, 0, nullptr) != 1) {
    return refused(TlsAlert::internal_error);
  }
  if (!decrypt(context, additional, content, content.data() + content.size())) {
    OPENSSL_cleanse(content.data(), content.size());  // nothing unauthenticated leaves
    return refused(TlsAlert::bad_record_mac);
  }
  ++keys.sequence;
  if (cipher.tls13) return without_padding(content);
  OpenedRecord opened;
  opened.ok = true;
  opened.type = outer;
  opened.content = content;
  return opened;
}

}  // namespace sluice
