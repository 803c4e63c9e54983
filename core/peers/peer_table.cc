// Ids are few and dense, so they are places in a vector.
#include "core/peers/peer_table.h"

#include "net/check.h"

namespace sluice {

PeerTable::~PeerTable() {
  SLUICE_CHECK(size_ == 0);  // a user would be left with nothing
}

Peer& PeerTable::use(const PeerConfig& config) {
  const auto place = static_cast<size_t>(config.id);
  if (place >= entries_.size()) entries_.resize(place + 1);
  if (entries_[place] == nullptr) {
    entries_[place] =
        std::make_unique<Entry>(Entry{{config.id, config.address, config.uri, config.name, {}}, 0});
    ++size_;
  }
  return use(config.id);
}

Peer& PeerTable::use(PeerId id) {
  Entry& used = entry(id);
  ++used.users;
  return used.peer;
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
