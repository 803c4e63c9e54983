// ListenerRates: what all workers together have accepted from each listener lately, in memory that
// they share.
#pragma once

#include <cstddef>
#include <span>

#include "core/ids.h"
#include "net/result.h"
#include "net/shared_rate.h"

namespace sluice {

// A view of such memory. A listener's rate is its own for as long as the master lives: over reloads
// and over the ends of workers.
class ListenerRates {
 public:
  ListenerRates() = default;
  // All zero; outlives the view.
  explicit ListenerRates(std::span<SharedRate> rates) : rates_(rates) {}

  explicit operator bool() const { return !rates_.empty(); }
  // Listeners share one where more have come and gone in a master's life than there is room for.
  SharedRate& of(ListenerId listener) const {
    return rates_[static_cast<size_t>(listener) % rates_.size()];
  }

 private:
  std::span<SharedRate> rates_;
};

// The memory. Made by the master before its first fork, and good for its life.
class ListenerRateMemory {
 public:
  ListenerRateMemory() = default;
  ListenerRateMemory(const ListenerRateMemory&) = delete;
  ListenerRateMemory& operator=(const ListenerRateMemory&) = delete;
  ~ListenerRateMemory();

  // Once. Faults where the system has no memory for it.
  Status open();
  ListenerRates rates() const { return ListenerRates(rates_); }

 private:
  std::span<SharedRate> rates_;
};

}  // namespace sluice
