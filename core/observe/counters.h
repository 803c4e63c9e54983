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
#include "net/heartbeat.h"

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

// One writer's number that goes up and down.
class Gauge {
 public:
  void set(uint64_t number) { number_.store(number, std::memory_order_relaxed); }
  uint64_t value() const { return number_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> number_{0};
};

// Parts that are drained at a time, at most.
inline constexpr size_t most_drains = 32;

// Of one of them.
struct DrainGauges {
  Gauge number;  // the order's; 0: there is none
  Gauge left;    // sessions that are still to be told, as far as the worker has looked
};

// Frames accepted from one side.
struct TrafficCounters {
  Counter bytes;
  Counter messages;  // of data, that began
};

// How often something took how long, in microseconds: the n-th place counts what took at least
// 2^(n-1) and less than 2^n, the first one what took none, the last one all that took longer.
struct Durations {
  static constexpr size_t places = 32;
  std::array<Counter, places> counts;
  Counter sum_us;

  void add(uint32_t us);
  uint64_t count() const;
};

// A worker's. All zero where its memory is. Rows share no cache line: each is written all the time.
struct alignas(64) WorkerRow {
  Heartbeat heartbeat;  // of its loop
  Counter accepted;     // connections
  Counter turned_away;  // of them, those that not even an answer had room for
  Counter refused;      // handshakes that ended without relaying, answered or not
  // handshake_rate: times that a listener began to hold clients back, and connections refused.
  Counter held_back;
  Counter rate_refused;
  Counter relayed;  // sessions that began to relay
  TrafficCounters from_client;
  TrafficCounters from_upstream;
  Counter pings_to_client;  // of the proxy's own
  Counter pings_to_upstream;
  Durations client_round_trips;  // of those that were answered
  Durations upstream_round_trips;
  std::array<Counter, end_kinds> ended;  // relayed sessions that have ended, by EndKind
  std::array<DrainGauges, most_drains> drains;

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
