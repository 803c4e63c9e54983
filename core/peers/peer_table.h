// PeerTable: a worker's peers by their ids, each for as long as somebody uses it. It outlives the
// Config that named the peer: a session of an older Config finds its peer, and a TLS ticket that
// comes late finds its slot.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/peers/peer_board.h"

namespace sluice {

struct Peer {
  PeerId id;
  Address address;
  ServerUri uri;
  std::string name;       // for logs
  uint64_t identity = 0;  // identity_of() it
  // The TLS session to resume with this peer. Transports point to it and write into it whenever the
  // peer sends a ticket, so the owner of such a transport has to count as a user of the peer.
  TlsSessionSlot tls_session;
  // Whose turn it is among the addresses that we connect from.
  uint32_t bind_turn = 0;
  // The number of the order that drains it: nobody dials it, then; 0: none does.
  uint32_t drain = 0;
  // No upstream lists it any more, or a check finds it down, and its sessions are to go
  // (OnPeerGone::drain): the number of the wave that it is of; 0: it is there.
  uint32_t gone = 0;
};

// Owned by a worker. Sessions and upstreams are the users; each counts itself in and out. Sessions
// count on the board as well.
class PeerTable {
 public:
  PeerTable() = default;
  PeerTable(PeerBoard::Memory memory, uint32_t worker) : board_(memory, worker) {}
  PeerTable(const PeerTable&) = delete;
  PeerTable& operator=(const PeerTable&) = delete;
  ~PeerTable();

  // One more user of the peer, which is made for the first one. Throws std::bad_alloc and changes
  // nothing, then.
  Peer& use(const PeerConfig& config);
  // One more user of a peer that has one, without a session with it.
  void hold(PeerId id) { ++entry(id).users; }
  // One user less; the last one takes the peer along.
  void release(PeerId id);
  // One more session with a peer that has a user.
  Peer& enter(PeerId id);
  // One session less.
  void leave(PeerId id);
  // A peer that has a user; the reference is good as long as that one counts.
  Peer& at(PeerId id);
  // What all workers know of it.
  PeerBoard& board() { return board_; }

  size_t size() const { return size_; }  // peers that have users

 private:
  struct Entry {
    Peer peer;
    uint32_t users = 0;
  };
  Entry& entry(PeerId id);

  void count_session(PeerId id, int more);

  PeerBoard board_;
  std::vector<std::unique_ptr<Entry>> entries_;  // by id; null where nobody uses the peer
  size_t size_ = 0;
};

// One session with one peer after the other. The table outlives it.
class PeerUse {
 public:
  explicit PeerUse(PeerTable& peers) : peers_(peers) {}
  PeerUse(const PeerUse&) = delete;
  PeerUse& operator=(const PeerUse&) = delete;
  ~PeerUse() { drop(); }

  // Counts as a session with that peer, and no longer with the one before. Somebody else uses it
  // already.
  void choose(PeerId id) {
    Peer& chosen = peers_.enter(id);
    drop();
    peer_ = &chosen;
  }
  // Null before the first choice.
  Peer* get() const { return peer_; }
  Peer& operator*() const { return *peer_; }
  Peer* operator->() const { return peer_; }

 private:
  void drop() {
    if (peer_ != nullptr) peers_.leave(peer_->id);
  }

  PeerTable& peers_;
  Peer* peer_ = nullptr;
};

}  // namespace sluice
