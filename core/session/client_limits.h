// ClientLimits: what all workers together know of clients, for limit_connections and
// limit_handshakes, as one worker's sessions use it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "core/session/client_counts.h"
#include "core/session/client_key.h"
#include "core/session/client_rates.h"

namespace sluice {

class ClientLimits {
 public:
  // All zero when it is new, but for the secret; outlives this.
  struct Memory {
    ClientCounts::Memory counts{};
    std::span<RateEntries> rates{};
    SipKey secret{};  // the same for all workers
  };

  // Without memory that others share it knows what its own worker does, in a table of its own,
  // which is made when it is first asked for.
  ClientLimits() = default;
  ClientLimits(const Memory& memory, uint32_t worker)
      : keys_(memory.secret), counts_(memory.counts, worker), rates_(memory.rates) {}

  const ClientKeys& keys() const { return keys_; }
  // Both throw std::bad_alloc where a table of its own is to be made.
  ClientCounts& counts() {
    if (!counts_) make_own();
    return counts_;
  }
  ClientRates& rates() {
    if (!counts_) make_own();
    return rates_;
  }

 private:
  struct Own {
    static constexpr size_t buckets = 128;
    std::array<CountBucket, buckets> counts;
    std::array<RateEntries, buckets> rates;
    std::atomic<uint32_t> workers{1};
  };
  void make_own() {
    own_ = std::make_unique<Own>();
    counts_ = ClientCounts({own_->counts, Own::buckets, &own_->workers}, 0);
    rates_ = ClientRates(own_->rates);
  }

  ClientKeys keys_;
  ClientCounts counts_;
  ClientRates rates_;
  std::unique_ptr<Own> own_;
};

}  // namespace sluice
