// Ids are few and dense, so they are places in a vector.
#include "core/peers/peer_table.h"

#include "core/peers/balance.h"
#include "net/check.h"

namespace sluice {

PeerTable::~PeerTable() {
  SLUICE_CHECK(size_ == 0);  // a user would be left with nothing
}

Peer& PeerTable::use(const PeerConfig& config) {
  const auto place = static_cast<size_t>(config.id);
  if (place >= entries_.size()) entries_.resize(place + 1);
  if (entries_[place] == nullptr) {
    entries_[place] = std::make_unique<Entry>(Entry{
        {config.id, config.address, config.uri, config.name, identity_of(config), {}, 0, 0, 0}, 0});
    ++size_;
  }
  Entry& used = entry(config.id);
  SLUICE_CHECK(used.peer.address == config.address);  // an id is given anew when nobody uses it
  used.peer.gone = 0;
  ++used.users;
  return used.peer;
}

Peer& PeerTable::enter(PeerId id) {
  Entry& used = entry(id);
  count_session(id, +1);
  ++used.users;
  return used.peer;
}

void PeerTable::leave(PeerId id) {
  count_session(id, -1);
  release(id);
}

// This worker alone writes the number.
void PeerTable::count_session(PeerId id, int more) {
  std::atomic<uint32_t>& active = board_.own_row(id).active;
  active.store(active.load(std::memory_order_relaxed) + static_cast<uint32_t>(more),
               std::memory_order_relaxed);
}

void PeerTable::release(PeerId id) {
  if (--entry(id).users > 0) return;
  entries_[static_cast<size_t>(id)].reset();
  --size_;
}

Peer& PeerTable::at(PeerId id) {
  return entry(id).peer;
}

PeerTable::Entry& PeerTable::entry(PeerId id) {
  const auto place = static_cast<size_t>(id);
  SLUICE_CHECK(place < entries_.size() && entries_[place] != nullptr);
  return *entries_[place];
}

}  // namespace sluice
