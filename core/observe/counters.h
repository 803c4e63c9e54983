// Counters: what a worker has done since its row was made. Rows lie in memory that the master and
// all workers share, so that a number outlives its worker. One writer a row, any number of readers:
// no lock, and no read-modify-write that another processor could see.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "core/observe/end_cause.h"

namespace sluice {

// One writer's number.
class Counter {
 public:
  void add(uint64_t more) {
    number_.store(number_.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  }
  uint64_t value() const { return number_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> number_{0};
};

// Frames accepted from one side.
struct TrafficCounters {
  Counter bytes;
  Counter messages;  // of data, that began
};

// A worker's. All zero where its memory is. Rows share no cache line: each is written all the time.
struct alignas(64) WorkerRow {
  Counter accepted;     // connections
  Counter turned_away;  // of them, those that not even an answer had room for
  Counter refused;      // handshakes that ended without relaying, answered or not
  Counter relayed;      // sessions that began to relay
  TrafficCounters from_client;
  TrafficCounters from_upstream;
  std::array<Counter, end_kinds> ended;  // relayed sessions that have ended, by EndKind

  uint64_t ended_in_all() const {
    uint64_t sum = 0;
    for (const Counter& each : ended) sum += each.value();
    return sum;
  }
};
static_assert(std::atomic<uint64_t>::is_always_lock_free);

// "accepted 3, turned away 0, ...": for the report that SIGUSR2 asks a worker for.
std::string text_of(const WorkerRow& row);
// As Prometheus would label it: "peer_close".
const char* name_of(EndKind kind);

}  // namespace sluice
