// ClientCounts: how many sessions or connections somebody has, over all workers, in memory that
// they share. It never gives out more than asked for, not even at the same instant, takes no lock,
// and does not grow.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/session/client_key.h"

namespace sluice {

// Ten entries. None ever moves, so that who reads beside the writer misses none that stays.
struct alignas(64) CountBucket {
  static constexpr size_t entries = 10;

  std::array<std::atomic<uint64_t>, entries> keys{};    // of the latest owner; 0: there was none
  std::array<std::atomic<uint32_t>, entries> counts{};  // 0: the entry is free
  std::atomic<uint32_t> table_used{0};  // of a table's first one: 0 where nothing was ever counted
};
static_assert(sizeof(CountBucket) == 128);

// A view, for the worker of that number. Each worker has a table of its own, which it alone writes.
class ClientCounts {
 public:
  // The memory that a view looks at, all zero when it is new; it outlives the view.
  struct Memory {
    std::span<CountBucket> buckets{};  // worker by worker
    size_t buckets_a_worker = 0;
    // The highest number that a worker has had, and one more: who sums looks at no other table. Who
    // starts workers alone writes it, before they start.
    std::atomic<uint32_t>* workers = nullptr;

    std::span<CountBucket> of(uint32_t worker) const {
      return buckets.subspan(worker * buckets_a_worker, buckets_a_worker);
    }
  };
  enum class Outcome : uint8_t {
    entered,
    over,  // there are as many as may be; at the same instant also where one more might have been
    full,  // there is no entry for it
  };

  ClientCounts() = default;
  ClientCounts(Memory memory, uint32_t worker)
      : memory_(memory), own_(memory.of(worker)), worker_(worker) {}

  explicit operator bool() const { return !own_.empty(); }
  // Counts one more where there are fewer than `most`, over all workers.
  [[nodiscard]] Outcome enter(ClientKey key, uint32_t most);
  // Once for each that entered, by the same worker.
  void leave(ClientKey key);
  // As all workers last wrote it.
  uint32_t count(ClientKey key) const;

 private:
  struct Entry {
    CountBucket* bucket = nullptr;  // null: there is none
    size_t place = 0;

    std::atomic<uint64_t>& key() const { return bucket->keys[place]; }
    std::atomic<uint32_t>& count() const { return bucket->counts[place]; }
  };

  Entry find(ClientKey key) const;
  Entry free_entry(ClientKey key) const;

  Memory memory_;
  std::span<CountBucket> own_;
  uint32_t worker_ = 0;
};

// The worker that wrote this table is dead, and its sessions with it.
void bury(std::span<CountBucket> table);
// Entries that are taken.
size_t entries_in_use(std::span<const CountBucket> table);

}  // namespace sluice
