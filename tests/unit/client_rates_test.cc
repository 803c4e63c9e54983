// ClientRates: bursts and rates for each client, two workers at once, and what happens where there
// is no room.
#include "core/session/client_rates.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace sluice {
namespace {

constexpr uint64_t second = 1'000'000'000;

// Spreads small numbers as a hash does.
ClientKey key(uint64_t number) {
  uint64_t z = (number + 1) * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return ClientKey{z ^ (z >> 31)};
}

uint64_t take_all(ClientRates& rates, ClientKey client, const ClientRate& rate, uint64_t now_ns) {
  uint64_t taken = 0;
  while (rates.take(client, rate, now_ns).wait_ns == 0) ++taken;
  return taken;
}

TEST_CASE("client rates: each client has a burst, then its rate, and no sooner than it is told") {
  std::vector<RateEntries> memory(8);
  ClientRates rates(memory);
  const ClientRate rate{10, 1, 4};
  uint64_t now = 7 * second;
  CHECK(take_all(rates, key(1), rate, now) == 4);
  CHECK(take_all(rates, key(2), rate, now) == 4);
  for (int i = 0; i < 20; ++i) {
    const uint64_t wait = rates.take(key(1), rate, now).wait_ns;
    REQUIRE(wait > 0);
    CHECK(wait <= second / 10);
    CHECK(rates.take(key(1), rate, now + wait - 1).wait_ns == 1);
    now += wait;
    CHECK(rates.take(key(1), rate, now).wait_ns == 0);
  }
  CHECK(take_all(rates, key(1), rate, now + 100 * second) == 4);
}

TEST_CASE("client rates: a minute's, and an earlier conf's debt is let go") {
  std::vector<RateEntries> memory(8);
  ClientRates rates(memory);
  CHECK(take_all(rates, key(1), {6, 60, 2}, second) == 2);
  CHECK(rates.take(key(1), {6, 60, 2}, second).wait_ns == 10 * second);
  CHECK(rates.take(key(1), {1'000, 1, 1}, second).wait_ns == second / 1'000);
  CHECK(take_all(rates, key(1), {1'000, 1, 1}, second + second / 500) == 1);
}

TEST_CASE("client rates: a million clients stay in their memory, and who owes least is forgotten") {
  std::vector<RateEntries> memory(64);  // 512 entries
  ClientRates rates(memory);
  const ClientRate rate{1, 60, 1'000};
  // One that owes much is remembered beside any number that owe little.
  for (int i = 0; i < 1'000; ++i) CHECK(rates.take(key(0), rate, second).wait_ns == 0);
  size_t replaced = 0;
  for (uint64_t i = 1; i < 1'000'000; ++i) {
    const ClientRates::Answer answer = rates.take(key(i), rate, second);
    CHECK(answer.wait_ns == 0);
    replaced += answer.replaced;
  }
  CHECK(replaced > 999'000);
  CHECK(replaced < 1'000'000);
  CHECK(rates.take(key(0), rate, second).wait_ns > 0);
  // Once all is earned nobody is forgotten.
  CHECK_FALSE(rates.take(key(2'000'000), rate, 100'000 * second).replaced);
}

TEST_CASE("client rates: four at once get no more than one would") {
  std::vector<RateEntries> memory(2);
  const ClientRate rate{1, 60, 1'000};
  ClientRates first(memory);
  CHECK(first.take(key(1), rate, second).wait_ns == 0);  // it is known
  std::atomic<uint64_t> taken{1};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      ClientRates rates(memory);
      taken.fetch_add(take_all(rates, key(1), rate, second));
    });
  }
  for (std::thread& each : threads) each.join();
  CHECK(taken.load() == 1'000);
}

}  // namespace
}  // namespace sluice
