// ClientCounts: a worker raises its own count first, then sums over all, and takes it back where
// that is too many. All of it is sequentially consistent: of two that raise at once, at least one
// sees the other, and whoever raises last sees all that stay. So there are never too many; that
// both see each other and go is the price.
#include "core/session/client_counts.h"

#include <algorithm>

#include "net/check.h"

namespace sluice {

namespace {

// The two buckets that a key may lie in: with a choice of two, buckets overflow only in a table
// that is nearly full. They may be the same one.
std::array<size_t, 2> buckets_of(ClientKey key, size_t buckets) {
  const auto hash = static_cast<uint64_t>(key);
  return {static_cast<size_t>(((hash >> 32) * buckets) >> 32),
          static_cast<size_t>(((hash & UINT32_MAX) * buckets) >> 32)};
}

// Of a bucket that another process may write meanwhile. An entry that changes its owner between the
// looks is not counted: it was free at one of them.
uint32_t count_in(const CountBucket& bucket, uint64_t key) {
  for (size_t i = 0; i < CountBucket::entries; ++i) {
    if (bucket.keys[i].load() != key) continue;
    const uint32_t count = bucket.counts[i].load();
    return bucket.keys[i].load() == key ? count : 0;
  }
  return 0;
}

size_t free_in(const CountBucket& bucket) {
  return static_cast<size_t>(
      std::count_if(bucket.counts.begin(), bucket.counts.end(),
                    [](const auto& count) { return count.load(std::memory_order_relaxed) == 0; }));
}

}  // namespace

ClientCounts::Outcome ClientCounts::enter(ClientKey key, uint32_t most) {
  Entry entry = find(key);
  if (entry.bucket == nullptr) {
    entry = free_entry(key);
    if (entry.bucket == nullptr) return Outcome::full;
    own_.front().table_used.store(1, std::memory_order_relaxed);
    entry.key().store(static_cast<uint64_t>(key));
  }
  const uint32_t own = entry.count().load(std::memory_order_relaxed);
  if (own >= most) return Outcome::over;
  entry.count().store(own + 1);
  if (count(key) <= most) return Outcome::entered;
  entry.count().store(own);
  return Outcome::over;
}

void ClientCounts::leave(ClientKey key) {
  const Entry entry = find(key);
  SLUICE_CHECK(entry.bucket != nullptr);
  const uint32_t own = entry.count().load(std::memory_order_relaxed);
  SLUICE_CHECK(own > 0);
  entry.count().store(own - 1);
}

uint32_t ClientCounts::count(ClientKey key) const {
  const auto wanted = static_cast<uint64_t>(key);
  const auto [first, second] = buckets_of(key, memory_.buckets_a_worker);
  const uint32_t workers = std::max(memory_.workers->load(), worker_ + 1);
  uint32_t sum = 0;
  for (uint32_t worker = 0; worker < workers; ++worker) {
    const std::span<const CountBucket> table = memory_.of(worker);
    sum += count_in(table[first], wanted);
    if (second != first) sum += count_in(table[second], wanted);
  }
  return sum;
}

// One that is free but was the key's is as good: so no key has two.
ClientCounts::Entry ClientCounts::find(ClientKey key) const {
  for (const size_t bucket : buckets_of(key, own_.size())) {
    const auto& keys = own_[bucket].keys;
    const auto found = std::find_if(keys.begin(), keys.end(), [key](const auto& each) {
      return each.load(std::memory_order_relaxed) == static_cast<uint64_t>(key);
    });
    if (found != keys.end()) return {&own_[bucket], static_cast<size_t>(found - keys.begin())};
  }
  return {};
}

ClientCounts::Entry ClientCounts::free_entry(ClientKey key) const {
  const auto [first, second] = buckets_of(key, own_.size());
  CountBucket& bucket = own_[free_in(own_[second]) > free_in(own_[first]) ? second : first];
  const auto& counts = bucket.counts;
  const auto found = std::find_if(counts.begin(), counts.end(), [](const auto& count) {
    return count.load(std::memory_order_relaxed) == 0;
  });
  if (found == counts.end()) return {};
  return {&bucket, static_cast<size_t>(found - counts.begin())};
}

// Pages of a table that nobody used are not to be touched.
void bury(std::span<CountBucket> table) {
  if (table.front().table_used.load() == 0) return;
  for (CountBucket& bucket : table) {
    for (auto& count : bucket.counts) {
      if (count.load() != 0) count.store(0);
    }
  }
}

size_t entries_in_use(std::span<const CountBucket> table) {
  size_t used = 0;
  for (const CountBucket& bucket : table) used += CountBucket::entries - free_in(bucket);
  return used;
}

}  // namespace sluice
