// Every interval between two clients is looked at: a run has few.
#include "tests/sim/rate_judge.h"

#include <algorithm>
#include <string>

#include "net/shared_rate.h"
#include "tests/sim/world.h"

namespace sluice::sim {

void judge_rate(const RateLimit& limit, std::vector<uint64_t> let_in_ns) {
  std::sort(let_in_ns.begin(), let_in_ns.end());
  for (size_t first = 0; first < let_in_ns.size(); ++first) {
    for (size_t last = first; last < let_in_ns.size(); ++last) {
      const uint64_t lasted_ns = let_in_ns[last] - let_in_ns[first] + SharedRate::lateness_ns;
      const uint64_t most = limit.burst + limit.a_second * lasted_ns / second;
      if (last - first + 1 <= most) continue;
      world().fail(std::to_string(last - first + 1) + " clients were let in where " +
                   std::to_string(most) + " may be");
    }
  }
}

}  // namespace sluice::sim
