// Secret: bytes that are wiped before their memory is given back. For private keys on their way
// from a file into OpenSSL, and for ticket keys.
#pragma once

#include <openssl/crypto.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace sluice {

// The string never grows beyond what was reserved, so no copy of it is left behind.
class Secret {
 public:
  // A piece on its way, wiped as well.
  struct Block {
    char bytes[4096];
    ~Block() { OPENSSL_cleanse(bytes, sizeof bytes); }
  };

  explicit Secret(size_t most_bytes) { bytes_.reserve(most_bytes); }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { OPENSSL_cleanse(bytes_.data(), bytes_.capacity()); }

  // False where it would not fit; nothing is added then.
  bool append(std::string_view bytes) {
    if (bytes.size() > bytes_.capacity() - bytes_.size()) return false;
    bytes_ += bytes;
    return true;
  }
  std::string_view view() const { return bytes_; }

 private:
  std::string bytes_;
};

}  // namespace sluice
