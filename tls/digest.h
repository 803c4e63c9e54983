// Digests (SHA-256): what says that two things are made of the same.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "tls/openssl_ptr.h"

namespace sluice {

using Digest = std::array<unsigned char, 32>;

// Of parts, in their order; each is told apart from the next. Throws std::bad_alloc.
class Digester {
 public:
  // Things of two purposes never have the same digest.
  explicit Digester(std::string_view purpose);

  Digester& add(std::string_view part);
  Digester& add(const Digest& part);
  Digester& add(uint64_t number);
  Digester& add(const X509* certificate);
  // Once.
  Digest finish();

 private:
  void update(const void* bytes, size_t count);

  DigestContextPtr context_;
};

// HMAC-SHA-256 (RFC 2104): nobody without the key can make it.
Digest keyed_digest(const Digest& key, std::string_view text);

}  // namespace sluice
