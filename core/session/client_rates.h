// ClientRates: how often somebody may do something, over all workers, in one table that they share.
// It does not grow: where there is no room, whoever owes least is forgotten.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/client_limits.h"
#include "core/session/client_key.h"

namespace sluice {

// Eight entries.
struct alignas(64) RateEntries {
  static constexpr size_t most = 8;

  struct Entry {
    std::atomic<uint64_t> key{0};
    // When all that was taken is earned (the generic cell rate algorithm); past: the entry is free.
    std::atomic<uint64_t> earned_ns{0};
  };
  std::array<Entry, most> entries{};
};
static_assert(sizeof(RateEntries) == 128);

class ClientRates {
 public:
  struct Answer {
    uint64_t wait_ns = 0;   // 0: it was taken; else until one may be had
    bool replaced = false;  // another one was forgotten for it, who may now have more than its rate
  };

  ClientRates() = default;
  // All zero when it is new; outlives this.
  explicit ClientRates(std::span<RateEntries> buckets) : buckets_(buckets) {}

  // Takes one, where one may be had at that time of the monotonic clock; who is refused owes
  // nothing for it. Two workers that meet an unknown client at the same instant may let it have one
  // more.
  Answer take(ClientKey key, const ClientRate& rate, uint64_t now_ns);

 private:
  RateEntries::Entry& entry_of(ClientKey key, uint64_t now_ns, bool& replaced);

  std::span<RateEntries> buckets_;
};

}  // namespace sluice
