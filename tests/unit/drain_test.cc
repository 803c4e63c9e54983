// Drain: how even it is, whoever comes and goes meanwhile, and what one run costs at most.
#include "core/process/drain.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace sluice {
namespace {

using Next = Drain::Next;

class Places final : public DrainGround {
 public:
  explicit Places(size_t count) : living(count) {}

  uint32_t places() const override { return static_cast<uint32_t>(living.size()); }
  bool matches(uint32_t place) override {
    ++looks;
    return living[place];
  }
  void tell(uint32_t place) override {
    CHECK(living[place]);
    living[place] = false;
    ++told;
  }
  uint64_t count() const {
    return static_cast<uint64_t>(std::count(living.begin(), living.end(), true));
  }
  void fill(size_t begin, size_t end) {
    std::fill(living.begin() + static_cast<ptrdiff_t>(begin),
              living.begin() + static_cast<ptrdiff_t>(end), true);
  }

  std::vector<bool> living;
  uint64_t told = 0;
  uint64_t looks = 0;
};

// One turn of a drain that is alone.
Next run(Drain& drain, Places& ground, uint64_t now_ms) {
  Drain::Budget budget;
  return drain.run(ground, now_ms, budget);
}

// Runs the drain until `end_ms`, as its user does; `each(now_ms)` is called in each step of 10 ms.
// How many were told in each tenth of `window_ms`; what came later stands behind them.
template <class Each>
std::vector<uint64_t> tenths(Drain& drain, Places& ground, uint64_t window_ms, uint64_t end_ms,
                             Each each) {
  std::vector<uint64_t> told(11);
  for (uint64_t now_ms = 0; now_ms <= end_ms; now_ms += 10) {
    each(now_ms);
    const uint64_t before = ground.told;
    if (now_ms >= drain.due_ms()) {
      while (run(drain, ground, now_ms) == Next::soon) continue;
    }
    const size_t tenth = std::min<size_t>(now_ms * 10 / window_ms, 10);
    told[tenth] += ground.told - before;
  }
  return told;
}

constexpr auto nothing = [](uint64_t) {};

TEST_CASE("drain: as many in each tenth of the window, and nobody is left") {
  Places ground(1'000);
  ground.fill(0, 1'000);
  Drain drain(10'000, 0, 0.5);
  const std::vector<uint64_t> told = tenths(drain, ground, 10'000, 10'000, nothing);
  for (size_t i = 0; i < 10; ++i) {
    CAPTURE(i);
    CHECK(told[i] >= 98);
    CHECK(told[i] <= 102);
  }
  CHECK(ground.count() == 0);
  CHECK(drain.left() == 0);
}

TEST_CASE("drain: after a peak the living lie close together, and go evenly all the same") {
  Places ground(200'000);
  ground.fill(150'000, 150'500);
  Drain drain(10'000, 0, 0);
  const std::vector<uint64_t> told = tenths(drain, ground, 10'000, 10'000, nothing);
  // The first lap of counting takes four slices, and guesses by what it has seen.
  CHECK(told[0] >= 30);
  for (size_t i = 0; i < 10; ++i) {
    CAPTURE(i);
    CHECK(told[i] <= 60);
  }
  CHECK(ground.count() == 0);
}

TEST_CASE("drain: a few are spread by their phase, not told at either end") {
  for (const double phase : {0.0, 0.3, 0.9}) {
    CAPTURE(phase);
    Places ground(10);
    ground.fill(3, 5);
    Drain drain(2'000, 0, phase);
    std::vector<uint64_t> at;
    tenths(drain, ground, 2'000, 2'000, [&](uint64_t now_ms) {
      if (ground.told > at.size()) at.push_back(now_ms);
    });
    if (ground.told > at.size()) at.push_back(2'000);
    REQUIRE(at.size() == 2);
    CHECK(at[1] - at[0] >= 600);
    CHECK(at[1] - at[0] <= 1'400);
  }
}

TEST_CASE("drain: who goes by himself leaves his share of the window to the others") {
  Places ground(1'000);
  ground.fill(0, 1'000);
  Drain drain(10'000, 0, 0);
  const std::vector<uint64_t> told = tenths(drain, ground, 10'000, 10'000, [&](uint64_t now_ms) {
    if (now_ms != 5'000) return;
    uint64_t gone = 0;
    for (size_t i = 0; i < 1'000 && gone < 400; ++i) {
      if (ground.living[i]) ++gone;
      ground.living[i] = false;
    }
  });
  for (size_t i = 0; i < 10; ++i) {
    CAPTURE(i);
    CHECK(told[i] >= (i < 5 ? 95 : 15));
    CHECK(told[i] <= (i < 5 ? 105 : 25));
  }
}

TEST_CASE("drain: who comes late counts, also behind the window") {
  Places ground(1'000);
  ground.fill(0, 100);
  Drain drain(10'000, 0, 0);
  const std::vector<uint64_t> told = tenths(drain, ground, 10'000, 12'000, [&](uint64_t now_ms) {
    if (now_ms == 5'000) ground.fill(500, 600);
    if (now_ms == 10'500) ground.fill(700, 703);
  });
  for (size_t i = 0; i < 5; ++i) CHECK(told[i] <= 12);
  for (size_t i = 5; i < 10; ++i) {
    CAPTURE(i);
    CHECK(told[i] >= 28);
    CHECK(told[i] <= 32);
  }
  CHECK(told[10] == 3);
  CHECK(ground.count() == 0);
}

TEST_CASE("drain: without a window all go as soon as may be, in bounded runs") {
  Places ground(100'000);
  ground.fill(0, 1'000);
  Drain drain(0, 50, 0.5);
  CHECK(drain.due_ms() == 50);
  unsigned runs = 1;
  for (uint64_t told = 0; run(drain, ground, 50) == Next::soon; told = ground.told) {
    CHECK(ground.told - told <= Drain::Budget().tells);
    ++runs;
    REQUIRE(runs < 20);
  }
  CHECK(ground.count() == 0);
  CHECK(runs >= 4);
  CHECK(drain.due_ms() == 50 + Drain::late_look_ms);
}

TEST_CASE("drain: a window without an end counts, and tells nobody") {
  Places ground(10);
  ground.fill(0, 4);
  Drain drain(Drain::endless, 50, 0.9);
  CHECK(run(drain, ground, 50) == Next::later);
  CHECK(drain.left() == 4);
  CHECK(drain.due_ms() == 50 + Drain::late_look_ms);
  ground.fill(4, 5);
  CHECK(run(drain, ground, 100'000'000) == Next::later);
  CHECK(drain.left() == 5);
  CHECK(ground.told == 0);
}

TEST_CASE("drain: a run looks at a bounded number of places") {
  Places ground(1'000'000);
  ground.fill(900'000, 900'010);
  Drain drain(1'000, 0, 0);
  for (uint64_t now_ms = 0; now_ms <= 1'100; now_ms += 10) {
    Next next = Next::soon;
    while (now_ms >= drain.due_ms() && next == Next::soon) {
      const uint64_t before = ground.looks;
      next = run(drain, ground, now_ms);
      CHECK(ground.looks - before <= 2 * Drain::looks_a_run);
    }
  }
  CHECK(ground.count() == 0);
}

TEST_CASE("drain: many that are due at once share what one turn may do, and all come to an end") {
  constexpr size_t count = 32;
  std::vector<Places> grounds(count, Places(20'000));
  std::vector<Drain> drains;
  for (Places& each : grounds) {
    each.fill(7'000, 7'050);
    drains.emplace_back(0, 50, 0.5);
  }
  const auto sum = [&grounds](uint64_t Places::*what) {
    uint64_t all = 0;
    for (const Places& each : grounds) all += each.*what;
    return all;
  };
  std::vector<bool> done(count);
  size_t turns = 0;
  for (; std::count(done.begin(), done.end(), true) < static_cast<ptrdiff_t>(count); ++turns) {
    REQUIRE(turns < 200);
    const uint64_t told = sum(&Places::told);
    const uint64_t looks = sum(&Places::looks);
    Drain::Budget budget;
    for (size_t i = 0; i < count; ++i) {
      const size_t at = (turns + i) % count;
      if (!done[at]) done[at] = drains[at].run(grounds[at], 50, budget) == Next::later;
    }
    CHECK(sum(&Places::told) - told <= Drain::Budget().tells);
    CHECK(sum(&Places::looks) - looks <= Drain::Budget().looks);
  }
  CHECK(sum(&Places::told) == count * 50);
  CHECK(turns >= count * 50 / Drain::Budget().tells);
}

TEST_CASE("drain: a slice that comes late makes up for those before it") {
  Places ground(100);
  ground.fill(0, 100);
  Drain drain(1'000, 0, 0);
  run(drain, ground, 0);
  CHECK(ground.told == 10);
  run(drain, ground, 890);  // the loop stood still meanwhile
  CHECK(ground.told == 55);
  CHECK(drain.due_ms() == 900);
  run(drain, ground, 900);
  CHECK(ground.count() == 0);
}

TEST_CASE("drain: places that are added are walked, and an empty ground is none to fear") {
  Places ground(0);
  Drain drain(500, 0, 0);
  CHECK(run(drain, ground, 0) == Next::later);
  CHECK(drain.left() == 0);
  ground.living.resize(10, true);
  CHECK(run(drain, ground, 100) == Next::later);
  CHECK(ground.told == 2);
  CHECK(drain.left() == 8);
}

}  // namespace
}  // namespace sluice
