// JwtKey: a key that signatures of JSON Web Tokens are verified with (RFC 7518 3, RFC 8037 3.1). It
// is bound to one algorithm when it is made, and what a token says changes nothing about that.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "net/result.h"
#include "tls/openssl_ptr.h"

namespace sluice {

enum class JwtAlgorithm : uint8_t { hs256, rs256, es256, eddsa };

// As tokens and confs spell them, with case: HS256, RS256, ES256, EdDSA; Ed25519 (RFC 9864) is
// another name of the latter. Nothing for every other one, `none` among them.
std::optional<JwtAlgorithm> jwt_algorithm(std::string_view name);

inline constexpr size_t least_jwt_secret_bytes = 32;  // RFC 7518 3.2
inline constexpr int least_jwt_rsa_bits = 2048;       // 3.3
inline constexpr int most_jwt_rsa_bits = 8192;        // what one costs is paid for every handshake

class JwtKey {
 public:
  // Each makes a key, or says what is wrong with it. Texts are bytes, not base64.
  static Result<JwtKey> from_secret(std::string_view secret);
  // A public key or the first certificate of a PEM file, for that algorithm (not HS256).
  static Result<JwtKey> from_pem(JwtAlgorithm algorithm, std::string_view pem);
  static Result<JwtKey> from_rsa(std::string_view modulus, std::string_view exponent);
  static Result<JwtKey> from_p256(std::string_view x, std::string_view y);
  static Result<JwtKey> from_ed25519(std::string_view x);

  JwtAlgorithm algorithm() const { return algorithm_; }
  // The name that a token may give it; nothing: it has none, and every token may mean it.
  std::optional<std::string> id;
  bool answers_to(const std::optional<std::string>& wanted) const {
    return !id || !wanted || *id == *wanted;
  }

  // Whether the signature is that of the text. False also where memory is short.
  bool verify(std::string_view text, std::string_view signature) const;

 private:
  JwtKey(JwtAlgorithm algorithm, KeyPtr key) : key_(std::move(key)), algorithm_(algorithm) {}
  bool verify_hmac(std::string_view text, std::string_view signature) const;

  KeyPtr key_;
  JwtAlgorithm algorithm_;
};

// Settings of several routes, and confs, share it.
using JwtKeyRef = std::shared_ptr<const JwtKey>;
inline JwtKeyRef shared(JwtKey key) {
  return std::make_shared<const JwtKey>(std::move(key));
}

}  // namespace sluice
