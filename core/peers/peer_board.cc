// PeerBoard: sums walk over the workers' rows, whose writers never wait for a reader.
#include "core/peers/peer_board.h"

namespace sluice {

PeerRow& PeerBoard::own_row(PeerId id) {
  if (!shares(id)) return private_of(id).row;
  return memory_.rows_of(worker_)[static_cast<size_t>(id)];
}

PeerHealth& PeerBoard::health(PeerId id) {
  return shares(id) ? memory_.health[static_cast<size_t>(id)] : private_of(id).health;
}

uint32_t PeerBoard::active(PeerId id) {
  uint32_t sum = 0;
  each_row(id, [&](const PeerRow& row) { sum += row.active.load(std::memory_order_relaxed); });
  return sum;
}

uint32_t PeerBoard::failures_since(PeerId id, uint64_t ms) {
  uint32_t sum = 0;
  each_row(id, [&](const PeerRow& row) {
    const uint64_t window = row.window_ms.load(std::memory_order_relaxed);
    if (window != 0 && window >= ms) sum += row.failures.load(std::memory_order_relaxed);
  });
  return sum;
}

template <class Visit>
void PeerBoard::each_row(PeerId id, Visit visit) {
  if (!shares(id)) return visit(private_of(id).row);
  const uint32_t workers = memory_.workers->load(std::memory_order_relaxed);
  for (uint32_t worker = 0; worker < workers; ++worker) {
    visit(memory_.rows_of(worker)[static_cast<size_t>(id)]);
  }
}

PeerBoard::Private& PeerBoard::private_of(PeerId id) {
  std::unique_ptr<Private>& own = private_[static_cast<uint32_t>(id)];
  if (own == nullptr) own = std::make_unique<Private>();
  return *own;
}

void bury(std::span<PeerRow> rows) {
  for (PeerRow& row : rows) {
    row.active.store(0, std::memory_order_relaxed);
    row.failures.store(0, std::memory_order_relaxed);
    row.window_ms.store(0, std::memory_order_relaxed);
  }
}

}  // namespace sluice
