// What a balancer writes before its client's first byte, and what the proxy must make of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config.h"
#include "tests/sim/random.h"

namespace sluice::sim {

struct Introduction {
  struct Part {
    std::string bytes;
    uint64_t delay_ns;
  };

  std::vector<Part> parts;    // the PROXY header, cut anywhere; none: the balancer sends none
  std::string forwarded_for;  // what the upstream is told of the client; "": nothing
  bool wrong = false;         // no such header may be taken

  uint64_t bytes() const {
    uint64_t sum = 0;
    for (const Part& part : parts) sum += part.bytes.size();
    return sum;
  }
};

// Where clients, or the balancers before them, come from.
inline constexpr const char* balancer_host = "10.1.0.1";

void expect_introductions(ListenConfig& listener);
Introduction make_introduction(Random& random, const ListenConfig& listener, uint32_t number);

}  // namespace sluice::sim
