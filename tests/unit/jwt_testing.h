// Tokens made by hand, right and wrong, and keys to sign them with.
#pragma once

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <string>
#include <string_view>

#include "net/check.h"
#include "tls/openssl_ptr.h"

namespace sluice::testing {

inline std::string base64url(std::string_view bytes) {
  static constexpr char digits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  for (size_t at = 0; at < bytes.size(); at += 3) {
    uint32_t group = 0;
    const size_t count = std::min<size_t>(3, bytes.size() - at);
    for (size_t i = 0; i < 3; ++i) {
      group = group << 8 | (i < count ? static_cast<unsigned char>(bytes[at + i]) : 0u);
    }
    for (size_t i = 0; i <= count; ++i) text += digits[group >> (18 - 6 * i) & 63];
  }
  return text;
}

inline KeyPtr hmac_key(std::string_view secret) {
  return KeyPtr(EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, nullptr,
                                             reinterpret_cast<const unsigned char*>(secret.data()),
                                             secret.size()));
}
inline KeyPtr rsa_key(unsigned bits) {
  return KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<size_t>(bits)));
}
inline KeyPtr ec_key(const char* curve) {
  return KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve));
}
inline KeyPtr ed25519_key() {
  return KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
}

inline std::string public_pem(EVP_PKEY* key) {
  const BioPtr memory(BIO_new(BIO_s_mem()));
  SLUICE_CHECK(PEM_write_bio_PUBKEY(memory.get(), key) == 1);
  return sluice::content_of(memory.get());
}

// r and s, 32 bytes each, of a signature in DER.
inline std::string raw_signature(const std::string& der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  ECDSA_SIG* const both = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
  unsigned char raw[64];
  BN_bn2binpad(ECDSA_SIG_get0_r(both), raw, 32);
  BN_bn2binpad(ECDSA_SIG_get0_s(both), raw + 32, 32);
  ECDSA_SIG_free(both);
  return std::string(reinterpret_cast<const char*>(raw), sizeof raw);
}

inline std::string signature_of(EVP_PKEY* key, std::string_view text) {
  const DigestContextPtr context(EVP_MD_CTX_new());
  const bool own_digest = EVP_PKEY_is_a(key, "ED25519") == 1;
  SLUICE_CHECK(EVP_DigestSignInit(context.get(), nullptr, own_digest ? nullptr : EVP_sha256(),
                                  nullptr, key) == 1);
  std::string signature(2048, '\0');
  size_t length = signature.size();
  SLUICE_CHECK(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()),
                              &length, reinterpret_cast<const unsigned char*>(text.data()),
                              text.size()) == 1);
  signature.resize(length);
  return EVP_PKEY_is_a(key, "EC") == 1 ? raw_signature(signature) : signature;
}

// Header and claims as they are given, in JSON or not.
inline std::string token(EVP_PKEY* key, std::string_view header, std::string_view claims) {
  const std::string text = base64url(header) + "." + base64url(claims);
  return text + "." + base64url(signature_of(key, text));
}

// 32 bytes, as an HS256 key has at least.
inline constexpr const char* jwt_secret = "0123456789abcdef0123456789abcdef";

inline std::string hs256_token(std::string_view claims) {
  return token(hmac_key(jwt_secret).get(), R"({"alg":"HS256","typ":"JWT"})", claims);
}

}  // namespace sluice::testing
