// Those that are not believed any more go when they are looked for, and by their age.
#include "core/session/auth_cache.h"

#include <iterator>
#include <new>
#include <utility>

namespace sluice {

const AuthVerdict* AuthCache::find(const Digest& key, uint64_t now_ms) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  if (now_ms < found->second->until_ms) return &found->second->verdict;
  forget(found->second);
  return nullptr;
}

void AuthCache::keep(const Digest& key, AuthVerdict verdict, uint64_t until_ms,
                     size_t most) noexcept {
  if (most == 0 || verdict.bytes() > most_verdict_bytes) return;
  if (const auto known = by_key_.find(key); known != by_key_.end()) forget(known->second);
  while (entries_.size() >= most) forget(entries_.begin());
  Entries one;
  try {
    one.push_back({key, until_ms, std::move(verdict)});
    by_key_.emplace(key, one.begin());
  } catch (const std::bad_alloc&) {
    return;
  }
  entries_.splice(entries_.end(), one);
}

void AuthCache::forget(Entries::iterator entry) noexcept {
  by_key_.erase(entry->key);
  entries_.erase(entry);
}

}  // namespace sluice
