// AddressRanges: a conf's list of addresses, ranges of them and `unix`, and who is among them.
#pragma once

#include <algorithm>
#include <vector>

#include "net/address.h"
#include "net/cidr.h"

namespace sluice {

struct AddressRanges {
  std::vector<Cidr> ranges;
  bool unix_sockets = false;  // whoever comes by one

  bool operator==(const AddressRanges&) const = default;
  bool none() const { return ranges.empty() && !unix_sockets; }
  bool hold(const Address& address) const {
    if (address.is_unix()) return unix_sockets;
    return std::any_of(ranges.begin(), ranges.end(),
                       [&address](const Cidr& range) { return range.holds(address); });
  }
};

}  // namespace sluice
