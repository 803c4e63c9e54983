// BenchCarriers: a map, and a stack of those with room.
#include "tests/load/bench_carriers.h"

#include <algorithm>
#include <utility>

namespace sluice::load {

BenchCarrier& BenchCarriers::add(Handle connection, size_t address) {
  BenchCarrier& carrier = carriers_[key_of(connection)];
  carrier.connection = connection;
  carrier.address = address;
  carrier.most = most_;
  list(carrier);
  return carrier;
}

BenchCarrier* BenchCarriers::get(Handle connection) {
  const auto found = carriers_.find(key_of(connection));
  return found == carriers_.end() ? nullptr : &found->second;
}

BenchCarrier* BenchCarriers::with_room() {
  while (!listed_.empty()) {
    const auto found = carriers_.find(listed_.back());
    if (found != carriers_.end() && found->second.streams < found->second.most) {
      return &found->second;
    }
    if (found != carriers_.end()) found->second.listed = false;
    listed_.pop_back();
  }
  return nullptr;
}

void BenchCarriers::release(Handle connection, Handle who) {
  BenchCarrier* carrier = get(connection);
  if (carrier == nullptr) return;
  std::erase(carrier->waiting, who);
  --carrier->streams;
  list(*carrier);
}

std::vector<Handle> BenchCarriers::settle(BenchCarrier& carrier, uint32_t permitted,
                                          std::vector<Handle>& left_over) {
  most_ = std::min(most_, std::max(permitted, 1u));  // the next ones need not find out again
  carrier.settled = true;
  carrier.most = std::min(carrier.most, permitted);
  std::vector<Handle> waiting = std::move(carrier.waiting);
  carrier.waiting.clear();
  const size_t good = std::min<size_t>(waiting.size(), carrier.most);
  left_over.assign(waiting.begin() + static_cast<ptrdiff_t>(good), waiting.end());
  carrier.streams -= static_cast<uint32_t>(left_over.size());
  waiting.resize(good);
  return waiting;
}

std::vector<Handle> BenchCarriers::remove(Handle connection) {
  BenchCarrier* carrier = get(connection);
  if (carrier == nullptr) return {};
  std::vector<Handle> waiting = std::move(carrier->waiting);
  carriers_.erase(key_of(connection));
  return waiting;
}

void BenchCarriers::list(BenchCarrier& carrier) {
  if (std::exchange(carrier.listed, true)) return;
  listed_.push_back(key_of(carrier.connection));
}

}  // namespace sluice::load
