// AuthCache: verdicts of authorizers that a worker goes by for a while (auth_cache). It knows keys
// and times, and not what they are made of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>

#include "core/session/auth_verdict.h"
#include "tls/digest.h"

namespace sluice {

class AuthCache {
 public:
  // What is larger is not kept: with auth_cache_size this bounds the memory.
  static constexpr size_t most_verdict_bytes = 8 * 1024;

  // The verdict kept by that key; null where there is none, or none that is believed still. Good
  // until the next call.
  const AuthVerdict* find(const Digest& key, uint64_t now_ms);
  // In place of what was kept by that key. Of `most` the oldest go. Where memory is short it is not
  // kept.
  void keep(const Digest& key, AuthVerdict verdict, uint64_t until_ms, size_t most) noexcept;

  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    Digest key;
    uint64_t until_ms = 0;  // by the reactor's clock
    AuthVerdict verdict;
  };
  using Entries = std::list<Entry>;

  void forget(Entries::iterator entry) noexcept;

  Entries entries_;  // the oldest first
  std::map<Digest, Entries::iterator> by_key_;
};

}  // namespace sluice
