// RestartPause: how long a worker's place stays empty. A worker that dies takes its successor's
// pause from how long it lived (core/DESIGN.md section 4).
#pragma once

#include <algorithm>
#include <cstdint>

namespace sluice {

class RestartPause {
 public:
  static constexpr uint64_t quick_death_ms = 10'000;  // who lived longer is replaced at once
  static constexpr uint64_t first_ms = 100;
  static constexpr uint64_t most_ms = 30'000;

  // Milliseconds until a successor of a worker that lived so long may start: 0 after one quick
  // death, then first_ms, doubled by each further one in a row.
  uint64_t after_death_ms(uint64_t lived_ms) {
    quick_deaths_ = lived_ms < quick_death_ms ? quick_deaths_ + 1 : 0;
    return pause_ms(quick_deaths_);
  }
  // The same where no process came about: that is worse than a quick death.
  uint64_t after_failed_start_ms() { return pause_ms(++quick_deaths_ + 1); }

 private:
  static uint64_t pause_ms(uint32_t quick_deaths) {
    if (quick_deaths <= 1) return 0;
    const uint32_t doublings = std::min(quick_deaths - 2, 16u);
    return std::min(first_ms << doublings, most_ms);
  }

  uint32_t quick_deaths_ = 0;  // in a row
};

}  // namespace sluice
