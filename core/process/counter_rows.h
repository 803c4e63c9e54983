// CounterRows: the workers' counters and the master's own, in memory that all processes share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/observe/counters.h"
#include "net/result.h"

namespace sluice {

// The master's. It alone writes, before its first fork and after.
struct MasterRow {
  Gauge started_s;   // since 1970
  Gauge started_ms;  // by the monotonic clock
  Gauge workers;     // the highest number that a worker has had, and one more
  Gauge ending;      // 1: no more clients, or none soon
  Gauge generation;  // of the conf in force
  Counter reloads;   // that were good
  Counter failed_reloads;
  Gauge last_reload_failed;
  Gauge last_reload_s;  // of the latest good load, the start's among them; since 1970
  ProcessGauges process;
};

// What the keeper told of a route when it was last asked, of sums that may come out some too small.
struct ToldRow {
  Gauge payload[2];  // from the client, from the upstream
};

// The keeper's own.
struct KeeperRow {
  ProcessGauges process;
};

// Made by the master before its first fork, and good for its life: a row goes on counting when
// another process takes its worker's place.
class CounterRows {
 public:
  // Routes and listeners beyond have no row of their own (LabelRows::other).
  static constexpr size_t most_routes = 1'000;
  static constexpr size_t most_listeners = 100;

  CounterRows() = default;
  CounterRows(const CounterRows&) = delete;
  CounterRows& operator=(const CounterRows&) = delete;
  ~CounterRows();

  // Once. Faults where the system has no memory for them.
  Status open(uint32_t workers);
  // The row of the worker with that number. That worker alone writes; everybody reads.
  WorkerRow& row(uint32_t worker) { return rows_[worker]; }
  const WorkerRow& row(uint32_t worker) const { return rows_[worker]; }
  // The same that bear a label.
  LabelRows labels(uint32_t worker) const;
  // The keeper's, by the places of LabelRows::routes.
  std::span<ToldRow> told() const;
  KeeperRow& keeper() const;
  MasterRow& master() { return *master_; }
  const MasterRow& master() const { return *master_; }
  // So many workers there have been at a time, at most: nobody wrote to rows beyond.
  uint32_t workers() const { return static_cast<uint32_t>(master_->workers.value()); }
  // The master, before the worker of that number starts.
  void note_worker(uint32_t number);
  // The worker of that number is dead: its sessions are lost, and it accepts nobody.
  void bury(uint32_t worker);

 private:
  MasterRow* master_ = nullptr;
  WorkerRow* rows_ = nullptr;
  ToldRow* told_ = nullptr;
  KeeperRow* keeper_ = nullptr;
  char* labels_ = nullptr;  // for each worker its RouteRows, then its ListenerRows
  size_t bytes_ = 0;
};

}  // namespace sluice
