// ClientMemory: one mapping. Each part is good as the kernel gives it, all zero; pages that no
// client's entry and no look for one needed are never touched, and so cost nothing.
#include "core/process/client_memory.h"

#include <atomic>
#include <cerrno>
#include <new>

#include "net/sys.h"
#include "net/sys_process.h"

namespace sluice {

namespace {

constexpr size_t buckets_for(size_t entries, size_t a_bucket) {
  return (entries + a_bucket - 1) / a_bucket;
}

}  // namespace

ClientMemory::~ClientMemory() {
  if (start_ != nullptr) sys::unmap_memory(start_, bytes_);
}

Status ClientMemory::open(uint32_t workers, uint32_t entries) {
  const size_t of_counts = buckets_for(entries, CountBucket::entries);
  const size_t of_rates = buckets_for(entries, RateEntries::most);
  const size_t counts_bytes = workers * of_counts * sizeof(CountBucket);
  const size_t rates_bytes = of_rates * sizeof(RateEntries);
  bytes_ = counts_bytes + rates_bytes + sizeof(std::atomic<uint32_t>);
  start_ = sys::map_shared_memory(bytes_);
  if (start_ == nullptr) return Fault{"client_table_size", ENOMEM};
  auto* const bytes = static_cast<char*>(start_);
  memory_.counts.buckets = {reinterpret_cast<CountBucket*>(bytes), workers * of_counts};
  memory_.counts.buckets_a_worker = of_counts;
  memory_.rates = {reinterpret_cast<RateEntries*>(bytes + counts_bytes), of_rates};
  memory_.counts.workers = new (bytes + counts_bytes + rates_bytes) std::atomic<uint32_t>(0);
  sys::random_bytes(memory_.secret.data(), sizeof memory_.secret);
  return Done{};
}

void ClientMemory::note_worker(uint32_t number) {
  std::atomic<uint32_t>& workers = *memory_.counts.workers;
  if (number >= workers.load()) workers.store(number + 1);
}

void ClientMemory::bury(uint32_t worker) {
  sluice::bury(memory_.counts.of(worker));
}

}  // namespace sluice
