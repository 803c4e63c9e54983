// KnownPasswords: which passwords were found right lately, so that a client that comes again waits
// for no bcrypt. One a worker.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <optional>
#include <string_view>

#include "tls/digest.h"

namespace sluice {

// It keeps digests under a key of its own, from which no password can be found without the key,
// which leaves the process never. A hash that another file has in its place is another one.
class KnownPasswords {
 public:
  // Of those that are kept; it is the latest used from then on.
  bool has(std::string_view hash, std::string_view password);
  // Keeps it, and of all at most so many: the longest unused goes first.
  void keep(std::string_view hash, std::string_view password, size_t most);
  size_t size() const { return places_.size(); }

 private:
  Digest digest_of(std::string_view hash, std::string_view password);

  std::optional<Digest> key_;  // made when it is first asked for
  std::list<Digest> by_use_;   // the latest used first
  std::map<Digest, std::list<Digest>::iterator> places_;
};

}  // namespace sluice
