// Secret: bytes that are wiped before their memory is given back. For private keys on their way
// from a file into OpenSSL, for what a conf's files hold, and for ticket keys.
#pragma once

#include <openssl/crypto.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace sluice {

// Grows as it is filled, up to `most_bytes`; memory that it outgrows is wiped, so no copy is left
// behind.
class Secret {
 public:
  // A piece on its way, wiped as well.
  struct Block {
    char bytes[4096];
    ~Block() { OPENSSL_cleanse(bytes, sizeof bytes); }
  };

  explicit Secret(size_t most_bytes) : most_bytes_(most_bytes) { bytes_.reserve(least_capacity); }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { wipe(bytes_); }

  // False where it would not fit; nothing is added then.
  bool append(std::string_view bytes) {
    const size_t room = most_bytes_ - bytes_.size();
    if (bytes.size() > room) return false;
    if (bytes.size() > bytes_.capacity() - bytes_.size()) grow(bytes_.size() + bytes.size());
    bytes_ += bytes;
    return true;
  }
  std::string_view view() const { return bytes_; }

 private:
  static void wipe(std::string& bytes) { OPENSSL_cleanse(bytes.data(), bytes.capacity()); }

  void grow(size_t least_bytes) {
    std::string larger;
    larger.reserve(std::max(least_bytes, std::min(2 * bytes_.size(), most_bytes_)));
    larger += bytes_;
    bytes_.swap(larger);
    wipe(larger);
  }

  // Beyond what a std::string keeps within itself, where a swap would leave copies.
  static constexpr size_t least_capacity = 64;

  size_t most_bytes_;
  std::string bytes_;
};

}  // namespace sluice
