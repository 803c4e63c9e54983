// OpenSSL's names of keys' parts, and ECDSA's two forms of a signature, stay in here.
#include "tls/jwt_keys.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <utility>

namespace sluice {

namespace {

using ParametersPtr = std::unique_ptr<OSSL_PARAM, OpenSslFree<&OSSL_PARAM_free>>;
using BuilderPtr = std::unique_ptr<OSSL_PARAM_BLD, OpenSslFree<&OSSL_PARAM_BLD_free>>;
using NumberPtr = std::unique_ptr<BIGNUM, OpenSslFree<&BN_free>>;
using KeyContextPtr = std::unique_ptr<EVP_PKEY_CTX, OpenSslFree<&EVP_PKEY_CTX_free>>;
using EcdsaPtr = std::unique_ptr<ECDSA_SIG, OpenSslFree<&ECDSA_SIG_free>>;

constexpr size_t p256_bytes = 32;     // of a coordinate, and of r and s
constexpr size_t ed25519_bytes = 32;  // of a public key
constexpr int hmac_bytes = 32;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

NumberPtr number_of(std::string_view bytes) {
  return NumberPtr(BN_bin2bn(bytes_of(bytes), static_cast<int>(bytes.size()), nullptr));
}

// Null where it is none, or memory is short.
KeyPtr key_of(const char* type, OSSL_PARAM_BLD* builder) {
  const ParametersPtr parameters(OSSL_PARAM_BLD_to_param(builder));
  const KeyContextPtr context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  const bool made =
      parameters != nullptr && context != nullptr && EVP_PKEY_fromdata_init(context.get()) == 1 &&
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) == 1;
  ERR_clear_error();
  return KeyPtr(made ? key : nullptr);
}

bool is_p256(const EVP_PKEY* key) {
  char name[64];
  size_t length = 0;
  return EVP_PKEY_is_a(key, "EC") == 1 &&
         EVP_PKEY_get_group_name(key, name, sizeof name, &length) == 1 &&
         std::string_view(name, length) == "prime256v1";
}

bool has_odd_exponent(const EVP_PKEY* key) {
  BIGNUM* exponent = nullptr;
  const bool known = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1;
  const NumberPtr owned(exponent);
  return known && BN_is_odd(exponent) == 1 && BN_is_one(exponent) == 0;
}

// Null, or why such a key is not taken.
const char* unfit(JwtAlgorithm algorithm, const EVP_PKEY* key) {
  switch (algorithm) {
    case JwtAlgorithm::hs256:
      return "a secret is no key of two halves";
    case JwtAlgorithm::rs256:
      if (EVP_PKEY_is_a(key, "RSA") != 1) return "it is no RSA key";
      if (EVP_PKEY_get_bits(key) < least_jwt_rsa_bits) return "an RSA key has 2048 bits at least";
      if (EVP_PKEY_get_bits(key) > most_jwt_rsa_bits) return "an RSA key has 8192 bits at most";
      return has_odd_exponent(key) ? nullptr : "its exponent is none of an RSA key";
    case JwtAlgorithm::es256:
      return is_p256(key) ? nullptr : "it is no EC key on the curve P-256";
    case JwtAlgorithm::eddsa:
      return EVP_PKEY_is_a(key, "ED25519") == 1 ? nullptr : "it is no Ed25519 key";
  }
  return "there is no such algorithm";
}

// The two numbers, as ECDSA's DER (RFC 3279 2.2.3); "" where they are not 64 bytes (RFC 7518 3.4).
std::string der_of(std::string_view signature) {
  if (signature.size() != 2 * p256_bytes) return "";
  NumberPtr r = number_of(signature.substr(0, p256_bytes));
  NumberPtr s = number_of(signature.substr(p256_bytes));
  const EcdsaPtr both(ECDSA_SIG_new());
  if (r == nullptr || s == nullptr || both == nullptr ||
      ECDSA_SIG_set0(both.get(), r.get(), s.get()) != 1) {
    return "";
  }
  static_cast<void>(r.release());  // they are its own now
  static_cast<void>(s.release());
  unsigned char* der = nullptr;
  const int length = i2d_ECDSA_SIG(both.get(), &der);
  if (length <= 0) return "";
  std::string text(reinterpret_cast<const char*>(der), static_cast<size_t>(length));
  OPENSSL_free(der);
  return text;
}

}  // namespace

std::optional<JwtAlgorithm> jwt_algorithm(std::string_view name) {
  if (name == "HS256") return JwtAlgorithm::hs256;
  if (name == "RS256") return JwtAlgorithm::rs256;
  if (name == "ES256") return JwtAlgorithm::es256;
  if (name == "EdDSA" || name == "Ed25519") return JwtAlgorithm::eddsa;
  return std::nullopt;
}

Result<JwtKey> JwtKey::from_secret(std::string_view secret) {
  if (secret.size() < least_jwt_secret_bytes) return Fault{"a secret has 32 bytes at least"};
  KeyPtr key(EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, nullptr, bytes_of(secret), secret.size()));
  if (key == nullptr) return Fault{"no memory for it"};
  return JwtKey(JwtAlgorithm::hs256, std::move(key));
}

Result<JwtKey> JwtKey::from_pem(JwtAlgorithm algorithm, std::string_view pem) {
  const BioPtr source(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (source == nullptr) return Fault{"no memory for it"};
  if (pem.find("PRIVATE KEY-----") != std::string_view::npos) {
    return Fault{"it holds a private key; only who signs tokens needs that: give its public half"};
  }
  KeyPtr key(PEM_read_bio_PUBKEY(source.get(), nullptr, nullptr, nullptr));
  if (key == nullptr && BIO_reset(source.get()) == 1) {
    const CertificatePtr certificate(PEM_read_bio_X509(source.get(), nullptr, nullptr, nullptr));
    if (certificate != nullptr) key.reset(X509_get_pubkey(certificate.get()));
  }
  ERR_clear_error();
  if (key == nullptr) return Fault{"it holds neither a public key nor a certificate in PEM"};
  if (const char* const why = unfit(algorithm, key.get())) return Fault{why};
  return JwtKey(algorithm, std::move(key));
}

Result<JwtKey> JwtKey::from_rsa(std::string_view modulus, std::string_view exponent) {
  const NumberPtr n = number_of(modulus);
  const NumberPtr e = number_of(exponent);
  const BuilderPtr builder(OSSL_PARAM_BLD_new());
  if (builder == nullptr || n == nullptr || e == nullptr ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return Fault{"no memory for it"};
  }
  KeyPtr key = key_of("RSA", builder.get());
  if (key == nullptr) return Fault{"n and e are no RSA key"};
  if (const char* const why = unfit(JwtAlgorithm::rs256, key.get())) return Fault{why};
  return JwtKey(JwtAlgorithm::rs256, std::move(key));
}

Result<JwtKey> JwtKey::from_p256(std::string_view x, std::string_view y) {
  if (x.size() != p256_bytes || y.size() != p256_bytes) {
    return Fault{"x and y have 32 bytes each on the curve P-256"};
  }
  const std::string point = std::string(1, POINT_CONVERSION_UNCOMPRESSED).append(x).append(y);
  const BuilderPtr builder(OSSL_PARAM_BLD_new());
  if (builder == nullptr ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) !=
          1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                       point.size()) != 1) {
    return Fault{"no memory for it"};
  }
  KeyPtr key = key_of("EC", builder.get());
  if (key == nullptr) return Fault{"x and y are no point on the curve P-256"};
  if (const char* const why = unfit(JwtAlgorithm::es256, key.get())) return Fault{why};
  return JwtKey(JwtAlgorithm::es256, std::move(key));
}

Result<JwtKey> JwtKey::from_ed25519(std::string_view x) {
  if (x.size() != ed25519_bytes) return Fault{"x has 32 bytes for Ed25519"};
  KeyPtr key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(x), x.size()));
  if (key == nullptr) return Fault{"no memory for it"};
  return JwtKey(JwtAlgorithm::eddsa, std::move(key));
}

bool JwtKey::verify(std::string_view text, std::string_view signature) const {
  if (algorithm_ == JwtAlgorithm::hs256) return verify_hmac(text, signature);
  const std::string der = algorithm_ == JwtAlgorithm::es256 ? der_of(signature) : "";
  if (algorithm_ == JwtAlgorithm::es256 && der.empty()) return false;
  const std::string_view given = der.empty() ? signature : der;
  const DigestContextPtr context(EVP_MD_CTX_new());
  // Ed25519 has its own digest (RFC 8032 5.1); RSA's padding is PKCS #1 1.5 where none is chosen.
  const EVP_MD* const digest = algorithm_ == JwtAlgorithm::eddsa ? nullptr : EVP_sha256();
  const bool good =
      context != nullptr &&
      EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key_.get()) == 1 &&
      EVP_DigestVerify(context.get(), bytes_of(given), given.size(), bytes_of(text), text.size()) ==
          1;
  ERR_clear_error();
  return good;
}

bool JwtKey::verify_hmac(std::string_view text, std::string_view signature) const {
  unsigned char own[hmac_bytes];
  size_t length = sizeof own;
  const DigestContextPtr context(EVP_MD_CTX_new());
  const bool made =
      context != nullptr &&
      EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) == 1 &&
      EVP_DigestSign(context.get(), own, &length, bytes_of(text), text.size()) == 1;
  ERR_clear_error();
  return made && length == sizeof own && signature.size() == length &&
         CRYPTO_memcmp(own, signature.data(), length) == 0;
}

}  // namespace sluice
