// AccessRules: `allow` and `deny`, in the order of their lines: whose addresses are let in.
#pragma once

#include <algorithm>
#include <vector>

#include "core/address_ranges.h"

namespace sluice {

struct AccessRule {
  bool allows = false;
  bool all = false;  // whoever it is
  AddressRanges who = {};

  bool operator==(const AccessRule&) const = default;
};

struct AccessRules {
  std::vector<AccessRule> rules;

  bool operator==(const AccessRules&) const = default;
  bool given() const { return !rules.empty(); }
  // The first rule that names the address decides; whom none names is let in, as nginx has it.
  bool admit(const Address& client) const {
    const auto found = std::find_if(rules.begin(), rules.end(), [&](const AccessRule& rule) {
      return rule.all || rule.who.hold(client);
    });
    return found == rules.end() || found->allows;
  }
};

}  // namespace sluice
