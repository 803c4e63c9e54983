// ClientCounts: never more than may be, whoever asks at the same instant; full buckets; what a dead
// worker had.
#include "core/session/client_counts.h"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace sluice {
namespace {

using Outcome = ClientCounts::Outcome;

struct Tables {
  Tables(uint32_t workers, size_t buckets)
      : all(workers * buckets), memory{all, buckets, &seen}, seen(workers) {}

  ClientCounts of(uint32_t worker) { return {memory, worker}; }

  std::vector<CountBucket> all;
  ClientCounts::Memory memory;
  std::atomic<uint32_t> seen;
};

// Spreads small numbers as a hash does.
ClientKey key(uint64_t number) {
  uint64_t z = (number + 1) * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return ClientKey{z ^ (z >> 31)};
}

TEST_CASE("client counts: so many over all workers, and one more for each that left") {
  Tables tables(3, 4);
  ClientCounts one = tables.of(0);
  ClientCounts other = tables.of(2);
  CHECK(one.enter(key(1), 3) == Outcome::entered);
  CHECK(other.enter(key(1), 3) == Outcome::entered);
  CHECK(other.enter(key(1), 3) == Outcome::entered);
  CHECK(one.enter(key(1), 3) == Outcome::over);
  CHECK(other.enter(key(1), 3) == Outcome::over);
  CHECK(other.enter(key(1), 2) == Outcome::over);
  CHECK(one.enter(key(2), 1) == Outcome::entered);  // somebody else
  CHECK(one.count(key(1)) == 3);
  other.leave(key(1));
  CHECK(one.enter(key(1), 3) == Outcome::entered);
  one.leave(key(1));
  one.leave(key(1));
  one.leave(key(2));
  other.leave(key(1));
  CHECK(one.count(key(1)) == 0);
  CHECK(entries_in_use(tables.all) == 0);
}

TEST_CASE("client counts: a full bucket takes nobody, and everybody in it stays") {
  Tables tables(1, 1);
  ClientCounts counts = tables.of(0);
  for (uint64_t i = 0; i < CountBucket::entries; ++i) {
    CHECK(counts.enter(key(i), 2) == Outcome::entered);
  }
  CHECK(counts.enter(key(99), 2) == Outcome::full);
  CHECK(counts.enter(key(3), 2) == Outcome::entered);
  CHECK(counts.enter(key(3), 2) == Outcome::over);
  counts.leave(key(5));
  CHECK(counts.enter(key(99), 2) == Outcome::entered);
  CHECK(counts.enter(key(5), 2) == Outcome::full);
  CHECK(entries_in_use(tables.all) == CountBucket::entries);
}

TEST_CASE("client counts: with two buckets to choose from a table fills before one overflows") {
  Tables tables(1, 1'000);
  ClientCounts counts = tables.of(0);
  uint64_t entered = 0;
  while (counts.enter(key(entered), 1) == Outcome::entered) ++entered;
  CHECK(entered > 8'000);  // of 10,000
}

TEST_CASE("client counts: a million clients find the table full, and are let go whole") {
  Tables tables(1, 1'024);
  ClientCounts counts = tables.of(0);
  std::vector<uint64_t> in;
  size_t full = 0;
  for (uint64_t i = 0; i < 1'000'000; ++i) {
    const Outcome outcome = counts.enter(key(i), 1);
    CHECK(outcome != Outcome::over);
    if (outcome == Outcome::entered) in.push_back(i);
    full += outcome == Outcome::full;
  }
  CHECK(in.size() <= tables.all.size() * CountBucket::entries);
  CHECK(in.size() + full == 1'000'000);
  CHECK(entries_in_use(tables.all) == in.size());
  for (const uint64_t each : in) counts.leave(key(each));
  CHECK(entries_in_use(tables.all) == 0);
}

TEST_CASE("client counts: a dead worker's are nobody's") {
  Tables tables(2, 2);
  ClientCounts living = tables.of(0);
  ClientCounts dead = tables.of(1);
  for (uint64_t i = 0; i < 3; ++i) CHECK(dead.enter(key(i), 9) == Outcome::entered);
  CHECK(living.enter(key(0), 9) == Outcome::entered);
  CHECK(living.enter(key(0), 1) == Outcome::over);
  bury(tables.memory.of(1));
  CHECK(entries_in_use(tables.memory.of(1)) == 0);
  CHECK(living.count(key(0)) == 1);
  ClientCounts successor = tables.of(1);
  CHECK(successor.enter(key(1), 1) == Outcome::entered);
}

// What each thread holds is told outside of the tables: raised before an entry is known to anybody
// else's sum, it would tell too much; so it is raised behind enter() and lowered before leave().
void hammer(ClientCounts counts, uint32_t most, std::atomic<uint32_t>& inside,
            std::atomic<uint32_t>& worst, std::atomic<uint64_t>& entered) {
  for (int i = 0; i < 40'000; ++i) {
    // Another client's entry comes and goes, so that entries are taken over.
    const bool visited =
        counts.enter(key(100 + static_cast<uint64_t>(i % 7)), 100) == Outcome::entered;
    if (counts.enter(key(1), most) == Outcome::entered) {
      const uint32_t now = inside.fetch_add(1) + 1;
      uint32_t before = worst.load();
      while (now > before && !worst.compare_exchange_weak(before, now)) continue;
      entered.fetch_add(1);
      if (i % 16 == 0) std::this_thread::yield();
      inside.fetch_sub(1);
      counts.leave(key(1));
    }
    if (visited) counts.leave(key(100 + static_cast<uint64_t>(i % 7)));
  }
}

TEST_CASE("client counts: never more than may be, while all ask at once") {
  for (const uint32_t most : {1u, 2u, 3u}) {
    Tables tables(4, 1);
    std::atomic<uint32_t> inside{0};
    std::atomic<uint32_t> worst{0};
    std::atomic<uint64_t> entered{0};
    std::vector<std::thread> threads;
    for (uint32_t worker = 0; worker < 4; ++worker) {
      threads.emplace_back(
          [&, worker] { hammer(tables.of(worker), most, inside, worst, entered); });
    }
    for (std::thread& each : threads) each.join();
    CHECK(worst.load() <= most);
    CHECK(entered.load() > 0);
    CHECK(entries_in_use(tables.all) == 0);
    CHECK(tables.of(0).count(key(1)) == 0);
  }
}

}  // namespace
}  // namespace sluice
