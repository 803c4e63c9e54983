// BenchCarriers: the HTTP/2 connections of a thread of sluice-bench, how many WebSockets each of
// them carries, and who waits for one that is on its way. It moves no bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "net/pool.h"

namespace sluice::load {

struct BenchCarrier {
  Handle connection;
  size_t address = 0;           // which of the server's it went to
  uint32_t streams = 0;         // who wait, and whose streams are open
  uint32_t most = 0;            // of them
  bool settled = false;         // the server's SETTINGS came: nobody waits any more
  bool listed = false;          // among those that may have room
  std::vector<Handle> waiting;  // the worker's connections
};

class BenchCarriers {
 public:
  // So many WebSockets each, unless a server permits less.
  explicit BenchCarriers(uint32_t most) : most_(most) {}

  BenchCarrier& add(Handle connection, size_t address);
  BenchCarrier* get(Handle connection);  // null where there is none
  BenchCarrier* with_room();             // null where there is none
  void take(BenchCarrier& carrier) { ++carrier.streams; }
  // The end of who has a stream there or waits for it; the carrier may be gone.
  void release(Handle connection, Handle who);
  // The server permits so many streams a connection. Returns who waited and may go on now; the
  // others, in `left_over`, need another carrier.
  std::vector<Handle> settle(BenchCarrier& carrier, uint32_t permitted,
                             std::vector<Handle>& left_over);
  void close(BenchCarrier& carrier) { carrier.most = 0; }  // it gets no stream more
  // Returns who waited there.
  std::vector<Handle> remove(Handle connection);

 private:
  static uint64_t key_of(Handle handle) { return uint64_t{handle.generation} << 32 | handle.index; }
  void list(BenchCarrier& carrier);

  uint32_t most_;
  std::unordered_map<uint64_t, BenchCarrier> carriers_;
  std::vector<uint64_t> listed_;  // keys of those that may have room
};

}  // namespace sluice::load
