// KnownPasswords: a list by use, and where each stands in it.
#include "core/session/known_passwords.h"

#include <string>

#include "net/sys.h"

namespace sluice {

bool KnownPasswords::has(std::string_view hash, std::string_view password) {
  if (places_.empty()) return false;
  const auto found = places_.find(digest_of(hash, password));
  if (found == places_.end()) return false;
  by_use_.splice(by_use_.begin(), by_use_, found->second);
  return true;
}

void KnownPasswords::keep(std::string_view hash, std::string_view password, size_t most) {
  if (most == 0) return;
  const Digest digest = digest_of(hash, password);
  if (places_.find(digest) == places_.end()) {
    by_use_.push_front(digest);
    places_.emplace(digest, by_use_.begin());
  }
  while (places_.size() > most) {
    places_.erase(by_use_.back());
    by_use_.pop_back();
  }
}

Digest KnownPasswords::digest_of(std::string_view hash, std::string_view password) {
  if (!key_) sys::random_bytes(key_.emplace().data(), sizeof(Digest));
  std::string both(hash);
  both.append(1, '\0').append(password);
  const Digest digest = keyed_digest(*key_, both);
  OPENSSL_cleanse(both.data(), both.size());
  return digest;
}

}  // namespace sluice
