// CounterRows: one mapping. A row is good as the kernel gives its memory, all zero; pages that
// nobody writes to are never touched, and so cost nothing.
#include "core/process/counter_rows.h"

#include <algorithm>
#include <cerrno>
#include <new>

#include "net/sys.h"
#include "net/sys_process.h"

namespace sluice {

namespace {

constexpr size_t route_rows = LabelRows::first_route + CounterRows::most_routes;
constexpr size_t listener_rows = CounterRows::most_listeners + 1;

// Of one worker, so that those of the next one begin with a cache line of their own.
constexpr size_t label_bytes =
    (route_rows * sizeof(RouteRow) + listener_rows * sizeof(ListenerRow) + 63) / 64 * 64;

constexpr size_t master_bytes = (sizeof(MasterRow) + 63) / 64 * 64;
constexpr size_t keeper_bytes = (sizeof(KeeperRow) + 63) / 64 * 64;
constexpr size_t told_bytes = (route_rows * sizeof(ToldRow) + 63) / 64 * 64;

constexpr size_t first_row = master_bytes + told_bytes + keeper_bytes;

}  // namespace

CounterRows::~CounterRows() {
  if (master_ != nullptr) sys::unmap_memory(master_, bytes_);
}

Status CounterRows::open(uint32_t workers) {
  bytes_ = first_row + workers * (sizeof(WorkerRow) + label_bytes);
  void* const memory = sys::map_shared_memory(bytes_);
  if (memory == nullptr) return Fault{"counters", ENOMEM};
  auto* const bytes = static_cast<char*>(memory);
  master_ = new (bytes) MasterRow;
  told_ = reinterpret_cast<ToldRow*>(bytes + master_bytes);
  keeper_ = new (bytes + master_bytes + told_bytes) KeeperRow;
  rows_ = reinterpret_cast<WorkerRow*>(bytes + first_row);
  for (uint32_t i = 0; i < workers; ++i) new (rows_ + i) WorkerRow;
  labels_ = bytes + first_row + workers * sizeof(WorkerRow);
  return Done{};
}

KeeperRow& CounterRows::keeper() const {
  return *keeper_;
}

std::span<ToldRow> CounterRows::told() const {
  return {told_, route_rows};
}

LabelRows CounterRows::labels(uint32_t worker) const {
  char* const begin = labels_ + worker * label_bytes;
  return {{reinterpret_cast<RouteRow*>(begin), route_rows},
          {reinterpret_cast<ListenerRow*>(begin + route_rows * sizeof(RouteRow)), listener_rows}};
}

void CounterRows::note_worker(uint32_t number) {
  master_->workers.set(std::max<uint64_t>(master_->workers.value(), number + 1));
}

void CounterRows::bury(uint32_t worker) {
  WorkerRow& row = rows_[worker];
  row.clear_gauges();
  row.failed.add(row.in_handshake());
  row.gone.add(row.connections());
  for (RouteRow& each : labels(worker).routes.first(row.routes.value())) {
    each.lost.add(each.active());
    each.from_client.dropped.add(each.from_client.queued());
    each.from_upstream.dropped.add(each.from_upstream.queued());
  }
}

}  // namespace sluice
