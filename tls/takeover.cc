// The keylog callback comes within the call that sets a direction's number to 0 (TLS 1.3); a call
// for each record's header follows since. In TLS 1.2 ChangeCipherSpec is that moment, and the
// secrets are had by functions.
#include "tls/takeover.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/ssl.h>

#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "tls/openssl_ptr.h"

namespace sluice {

namespace {

using KdfPtr = std::unique_ptr<EVP_KDF, OpenSslFree<&EVP_KDF_free>>;
using KdfContextPtr = std::unique_ptr<EVP_KDF_CTX, OpenSslFree<&EVP_KDF_CTX_free>>;

// Where the record is opened that proves the numbers: its plaintext is wiped.
thread_local uint8_t proof[TlsTakeover::most_proof_bytes];

int place_in_ssl() {
  static const int place = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return place;
}

TlsTakeover* of(const SSL* ssl) {
  return static_cast<TlsTakeover*>(SSL_get_ex_data(ssl, place_in_ssl()));
}

// Of a keylog's line, which OpenSSL writes in lower or upper case.
uint8_t half(char digit) {
  return static_cast<uint8_t>(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
}

std::optional<TlsSuite> suite_of(const SSL_CIPHER* cipher) {
  switch (SSL_CIPHER_get_cipher_nid(cipher)) {
    case NID_aes_128_gcm:
      return TlsSuite::aes128_gcm;
    case NID_aes_256_gcm:
      return TlsSuite::aes256_gcm;
    case NID_chacha20_poly1305:
      return TlsSuite::chacha20_poly1305;
    default:
      return std::nullopt;
  }
}

// RFC 5246 6.3: `seed` is the server's random, then the client's.
bool expand_keys(const EVP_MD* digest, std::span<unsigned char> master,
                 std::span<unsigned char> seed, std::span<unsigned char> block) {
  static const KdfPtr prf(EVP_KDF_fetch(nullptr, "TLS1-PRF", nullptr));
  const KdfContextPtr context(prf == nullptr ? nullptr : EVP_KDF_CTX_new(prf.get()));
  if (context == nullptr || digest == nullptr) return false;
  char label[] = "key expansion";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
                                       const_cast<char*>(EVP_MD_get0_name(digest)), 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master.data(), master.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, label, sizeof label - 1),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed.data(), seed.size()),
      OSSL_PARAM_construct_end()};
  return EVP_KDF_derive(context.get(), block.data(), block.size(), parameters) == 1;
}

// The last of whole records; empty where they are not whole.
std::span<const uint8_t> last_of(std::span<const uint8_t> records) {
  while (records.size() >= tls_header_bytes) {
    const size_t bytes = tls_header_bytes + static_cast<size_t>(records[3] << 8 | records[4]);
    if (bytes == records.size()) return records;
    if (bytes > records.size()) break;
    records = records.subspan(bytes);
  }
  return {};
}

}  // namespace

void TlsTakeover::watch(SSL_CTX* context) {
  SSL_CTX_set_keylog_callback(context, on_secret);
  SSL_CTX_set_msg_callback(context, on_message);
}

bool TlsTakeover::watches(const SSL* ssl) {
  return SSL_CTX_get_keylog_callback(SSL_get_SSL_CTX(ssl)) == &on_secret;
}

TlsTakeover::TlsTakeover(SSL* ssl) : ssl_(ssl) {
  // Without a place nothing is told, and OpenSSL stays.
  SSL_set_ex_data(ssl_, place_in_ssl(), this);
}

TlsTakeover::~TlsTakeover() {
  SSL_set_ex_data(ssl_, place_in_ssl(), nullptr);
}

// "SERVER_TRAFFIC_SECRET_0 <client random> <secret>", where its direction's key comes into force.
void TlsTakeover::on_secret(const SSL* ssl, const char* line) {
  TlsTakeover* const self = of(ssl);
  const std::string_view text = line;
  const bool of_client = text.starts_with("CLIENT_TRAFFIC_SECRET_");
  if (self == nullptr || (!of_client && !text.starts_with("SERVER_TRAFFIC_SECRET_"))) return;
  const std::string_view digits = text.substr(text.rfind(' ') + 1);
  if (digits.size() != 64 && digits.size() != 96) return;
  const bool ours = (SSL_is_server(ssl) != 1) == of_client;
  TlsRecordKeys& keys = ours ? self->keys_.out : self->keys_.in;
  for (size_t i = 0; i < digits.size() / 2; ++i) {
    keys.secret[i] = static_cast<uint8_t>(half(digits[2 * i]) << 4 | half(digits[2 * i + 1]));
  }
  self->keys_.cipher.hash_bytes = static_cast<uint8_t>(digits.size() / 2);
  (ours ? self->out_told_ : self->in_told_) = true;
  (ours ? self->sealed_ : self->opened_) = 0;
  self->derived_ = false;
}

void TlsTakeover::on_message(int sent, int, int type, const void* bytes, size_t count, SSL* ssl,
                             void*) {
  TlsTakeover* const self = of(ssl);
  if (self == nullptr || count == 0) return;
  const uint8_t first = *static_cast<const uint8_t*>(bytes);
  if (type == SSL3_RT_HANDSHAKE && first == SSL3_MT_KEY_UPDATE) self->key_updated_ = true;
  if (type != SSL3_RT_HEADER) return;
  uint64_t& records = sent != 0 ? self->sealed_ : self->opened_;
  if (first != SSL3_RT_CHANGE_CIPHER_SPEC) {
    ++records;
  } else if (SSL_version(ssl) == TLS1_2_VERSION) {
    records = 0;  // in TLS 1.3 it means nothing, and has no number
  }
}

void TlsTakeover::sealed(std::span<const uint8_t> records) {
  if (records.empty()) return;
  proved_ = 0;  // an older proof says nothing of records that no callback told of
  if (records.size() > most_proof_bytes || SSL_is_init_finished(ssl_) != 1) return;
  const std::span<const uint8_t> last = last_of(records);
  if (last.empty() || describe() != Outcome::taken || (!derived_ && !derive())) return;
  if (prove(last)) proved_ = sealed_;
  ERR_clear_error();
}

// What both ends agreed upon, where it is supported.
TlsTakeover::Outcome TlsTakeover::describe() {
  const int version = SSL_version(ssl_);
  if (version != TLS1_2_VERSION && version != TLS1_3_VERSION) return Outcome::version;
  const auto suite = suite_of(SSL_get_current_cipher(ssl_));
  if (!suite) return Outcome::cipher;
  const SSL_SESSION* const session = SSL_get_session(ssl_);
  const bool plain =
      SSL_get_current_compression(ssl_) == nullptr && session != nullptr &&
      SSL_SESSION_get_max_fragment_length(session) == TLSEXT_max_fragment_length_DISABLED;
  if (!plain) return Outcome::fragments;
  if (key_updated_) return Outcome::key_update;
  keys_.cipher.tls13 = version == TLS1_3_VERSION;
  keys_.cipher.suite = *suite;
  keys_.server = SSL_is_server(ssl_) == 1;
  return !keys_.cipher.tls13 || (out_told_ && in_told_) ? Outcome::taken : Outcome::secrets;
}

bool TlsTakeover::derive() {
  derived_ = keys_.cipher.tls13 ? keys_.out.derive(keys_.cipher) && keys_.in.derive(keys_.cipher)
                                : derive_out_of_master();
  return derived_;
}

bool TlsTakeover::derive_out_of_master() {
  unsigned char master[SSL_MAX_MASTER_KEY_LENGTH];
  unsigned char seed[2 * SSL3_RANDOM_SIZE];
  unsigned char block[2 * (sizeof keys_.out.key + sizeof keys_.out.iv)];
  const size_t key_bytes = keys_.cipher.key_bytes();
  const size_t iv_bytes = keys_.cipher.explicit_nonce() ? 4 : sizeof keys_.out.iv;
  const bool done =
      SSL_SESSION_get_master_key(SSL_get_session(ssl_), master, sizeof master) == sizeof master &&
      SSL_get_server_random(ssl_, seed, SSL3_RANDOM_SIZE) == SSL3_RANDOM_SIZE &&
      SSL_get_client_random(ssl_, seed + SSL3_RANDOM_SIZE, SSL3_RANDOM_SIZE) == SSL3_RANDOM_SIZE &&
      expand_keys(SSL_CIPHER_get_handshake_digest(SSL_get_current_cipher(ssl_)), master, seed,
                  {block, 2 * (key_bytes + iv_bytes)});
  if (done) {
    const unsigned char* at = block;
    TlsRecordKeys& of_client = keys_.server ? keys_.in : keys_.out;
    TlsRecordKeys& of_server = keys_.server ? keys_.out : keys_.in;
    for (TlsRecordKeys* each : {&of_client, &of_server}) {
      std::memcpy(each->key, at, key_bytes);
      at += key_bytes;
    }
    for (TlsRecordKeys* each : {&of_client, &of_server}) {
      std::memcpy(each->iv, at, iv_bytes);
      at += iv_bytes;
    }
  }
  OPENSSL_cleanse(master, sizeof master);
  OPENSSL_cleanse(block, sizeof block);
  return done;
}

// With an explicit nonce the record also shows where OpenSSL's stands, which is gone on from, so
// that none is used twice.
bool TlsTakeover::prove(std::span<const uint8_t> record) {
  if (sealed_ == 0) return false;
  const uint64_t number = sealed_ - 1;
  std::memcpy(proof, record.data(), record.size());
  keys_.out.sequence = number;
  const bool opens = open_record(keys_.cipher, keys_.out, {proof, record.size()}).ok;
  OPENSSL_cleanse(proof, record.size());
  if (!opens || !keys_.cipher.explicit_nonce()) return opens;
  uint64_t nonce = 0;
  for (size_t i = 0; i < 8; ++i) nonce = nonce << 8 | record[tls_header_bytes + i];
  nonce -= number;
  for (int i = 7; i >= 0; --i, nonce >>= 8) {
    keys_.out.iv[4 + i] = static_cast<uint8_t>(nonce);
  }
  return true;
}

TlsTakeover::Outcome TlsTakeover::finish(std::optional<TlsLegKeys>& keys) {
  keys.reset();
  const bool busy = SSL_is_init_finished(ssl_) != 1 || SSL_has_pending(ssl_) == 1 ||
                    SSL_get_shutdown(ssl_) != 0 || SSL_renegotiate_pending(ssl_) == 1 ||
                    SSL_get_key_update_type(ssl_) != SSL_KEY_UPDATE_NONE;
  if (busy) return Outcome::busy;
  const Outcome described = describe();
  if (described != Outcome::taken) return described;
  if (!derived_ || proved_ == 0 || proved_ != sealed_) return Outcome::unproved;
  proved_ = 0;
  keys_.out.sequence = sealed_;
  keys_.in.sequence = opened_;
  keys.emplace(std::move(keys_));
  return Outcome::taken;
}

}  // namespace sluice
