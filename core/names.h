// What is asked of servers' names, and where they lead.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "net/address.h"

namespace sluice {

// Name servers that are asked. The system's file has three at most.
inline constexpr size_t most_name_servers = 8;

// Two servers that ask the same share the answer.
struct NameQuestion {
  std::string host;      // as the conf spells it, lower case
  uint16_t port = 0;     // that the addresses get; 0 for a service, which brings its own
  bool service = false;  // SRV (RFC 2782), and the addresses of its targets; else A and AAAA

  auto operator<=>(const NameQuestion&) const = default;
};

// One address that a name stands for.
struct NameTarget {
  Address address;
  uint16_t priority = 0;  // of a service: lower ones come first
  uint16_t weight = 0;    // of a service

  bool operator==(const NameTarget&) const = default;
};

// Sorted by priority, then by the address's text, each once, so that the same answer is the same
// value however a name server turns it.
using NameTargets = std::vector<NameTarget>;

// The last good ones.
using NameAnswers = std::map<NameQuestion, NameTargets>;

}  // namespace sluice
