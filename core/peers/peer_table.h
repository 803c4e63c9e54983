// PeerTable: a worker's peers by their ids, each for as long as somebody uses it. It outlives the
// Config that named the peer: a session of an older Config finds its peer, and a TLS ticket that
// comes late finds its slot.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/config.h"

namespace sluice {

struct Peer {
  PeerId id;
  Address address;
  ServerUri uri;
  std::string name;  // for logs
  // The TLS session to resume with this peer. Transports point to it and write into it whenever the
  // peer sends a ticket, so the owner of such a transport has to count as a user of the peer.
  TlsSessionSlot tls_session;
};

// Owned by a worker. Sessions and upstreams are the users; each counts itself in and out.
class PeerTable {
 public:
  PeerTable() = default;
  PeerTable(const PeerTable&) = delete;
  PeerTable& operator=(const PeerTable&) = delete;
  ~PeerTable();

  // One more user of the peer, which is made for the first one. Throws std::bad_alloc and changes
  // nothing, then.
  Peer& use(const PeerConfig& config);
  // One more user of a peer that has one.
  Peer& use(PeerId id);
  // One user less; the last one takes the peer along.
  void release(PeerId id);
  // A peer that has a user; the reference is good as long as that one counts.
  Peer& at(PeerId id);

  size_t size() const { return size_; }  // peers that have users

 private:
  struct Entry {
    Peer peer;
    uint32_t users = 0;
  };
  Entry& entry(PeerId id);

  std::vector<std::unique_ptr<Entry>> entries_;  // by id; null where nobody uses the peer
  size_t size_ = 0;
};

// One user of one peer after the other. The table outlives it.
class PeerUse {
 public:
  explicit PeerUse(PeerTable& peers) : peers_(peers) {}
  PeerUse(const PeerUse&) = delete;
  PeerUse& operator=(const PeerUse&) = delete;
  ~PeerUse() { drop(); }

  // Counts as a user of that peer, and no longer of the one before. Somebody else uses it already.
  void choose(PeerId id) {
    Peer& chosen = peers_.use(id);
    drop();
    peer_ = &chosen;
  }
  // Null before the first choice.
  Peer* get() const { return peer_; }
  Peer& operator*() const { return *peer_; }
  Peer* operator->() const { return peer_; }

 private:
  void drop() {
    if (peer_ != nullptr) peers_.release(peer_->id);
  }

  PeerTable& peers_;
  Peer* peer_ = nullptr;
};

}  // namespace sluice
