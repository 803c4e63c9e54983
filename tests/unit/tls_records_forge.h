// A peer that may send anything: records sealed by a second implementation, straight from the RFCs,
// which nothing of tls/ helps. Without doctest: the fuzz target has it, too.
#pragma once

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "net/check.h"
#include "tls/openssl_ptr.h"
#include "tls/records.h"

namespace sluice::testing {

// One direction, as its sender has it. Bytes are chars in here.
struct Forger {
  bool tls13 = true;
  TlsSuite suite = TlsSuite::aes128_gcm;
  std::string secret, key, iv;
  uint64_t sequence = 0;

  // An inner plaintext as it is: TLS 1.3's has its type behind the content (RFC 8446 5.2).
  std::string inner(std::string_view bytes, uint8_t outer_type = 23) {
    const bool salted = !tls13 && suite != TlsSuite::chacha20_poly1305;
    std::string number(8, '\0');
    for (int i = 0; i < 8; ++i) {
      number[static_cast<size_t>(i)] = static_cast<char>(sequence >> (56 - 8 * i));
    }
    ++sequence;
    std::string nonce = iv;
    for (size_t i = 0; i < 8; ++i) {
      nonce[4 + i] = salted ? number[i] : static_cast<char>(nonce[4 + i] ^ number[i]);
    }
    const size_t body = bytes.size() + 16 + (salted ? 8 : 0);
    const std::string header = {static_cast<char>(outer_type), 3, 3, static_cast<char>(body >> 8),
                                static_cast<char>(body)};
    std::string additional = header;
    if (!tls13) {
      additional = number + header.substr(0, 3) + static_cast<char>(bytes.size() >> 8) +
                   static_cast<char>(bytes.size());
    }
    return header + (salted ? number : "") + sealed(nonce, additional, bytes);
  }
  std::string record(uint8_t type, std::string_view content, size_t padding = 0) {
    if (!tls13) return inner(content, type);
    return inner(std::string(content) + static_cast<char>(type) + std::string(padding, '\0'));
  }

  // TLS 1.3: key and IV of the secret (RFC 8446 7.3), and those that follow a KeyUpdate (7.2).
  void derive() {
    key = expanded("key", suite == TlsSuite::aes128_gcm ? 16 : 32);
    iv = expanded("iv", 12);
    sequence = 0;
  }
  void next_generation() {
    secret = expanded("traffic upd", secret.size());
    derive();
  }

 private:
  std::string expanded(std::string_view label, size_t bytes) const {
    const std::string whole_label = "tls13 " + std::string(label);
    const std::string info = std::string(1, '\0') + static_cast<char>(bytes) +
                             static_cast<char>(whole_label.size()) + whole_label +
                             std::string(1, '\0') + '\1';
    unsigned char block[EVP_MAX_MD_SIZE];
    SLUICE_CHECK(HMAC(secret.size() == 48 ? EVP_sha384() : EVP_sha256(), secret.data(),
                      static_cast<int>(secret.size()),
                      reinterpret_cast<const unsigned char*>(info.data()), info.size(), block,
                      nullptr) != nullptr);
    return {reinterpret_cast<char*>(block), bytes};
  }
  std::string sealed(const std::string& nonce, const std::string& additional,
                     std::string_view bytes) const {
    const EVP_CIPHER* const cipher = suite == TlsSuite::aes128_gcm   ? EVP_aes_128_gcm()
                                     : suite == TlsSuite::aes256_gcm ? EVP_aes_256_gcm()
                                                                     : EVP_chacha20_poly1305();
    const std::unique_ptr<EVP_CIPHER_CTX, OpenSslFree<&EVP_CIPHER_CTX_free>> context(
        EVP_CIPHER_CTX_new());
    const auto bytes_of = [](std::string_view text) {
      return reinterpret_cast<const unsigned char*>(text.data());
    };
    std::string out(bytes.size() + 16, '\0');
    auto* const to = reinterpret_cast<unsigned char*>(out.data());
    int written = 0;
    SLUICE_CHECK(
        EVP_EncryptInit_ex(context.get(), cipher, nullptr, bytes_of(key), bytes_of(nonce)) == 1);
    SLUICE_CHECK(EVP_EncryptUpdate(context.get(), nullptr, &written, bytes_of(additional),
                                   static_cast<int>(additional.size())) == 1);
    SLUICE_CHECK(EVP_EncryptUpdate(context.get(), to, &written, bytes_of(bytes),
                                   static_cast<int>(bytes.size())) == 1);
    SLUICE_CHECK(EVP_EncryptFinal_ex(context.get(), to + bytes.size(), &written) == 1);
    SLUICE_CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, 16, to + bytes.size()) ==
                 1);
    return out;
  }
};

inline TlsRecordKeys keys_from(const std::string& secret, const std::string& key,
                               const std::string& iv, uint64_t sequence = 0) {
  TlsRecordKeys keys;
  secret.copy(reinterpret_cast<char*>(keys.secret), sizeof keys.secret);
  key.copy(reinterpret_cast<char*>(keys.key), sizeof keys.key);
  iv.copy(reinterpret_cast<char*>(keys.iv), sizeof keys.iv);
  keys.sequence = sequence;
  return keys;
}

}  // namespace sluice::testing
