// allow and deny: the first rule that names the client decides.
#include "core/access_rules.h"

#include <doctest/doctest.h>

using namespace sluice;

namespace {

AccessRule rule(bool allows, const char* range) {
  AccessRule made{.allows = allows};
  made.who.ranges.push_back(Cidr::parse(range).value());
  return made;
}

bool admits(const AccessRules& rules, const char* ip) {
  return rules.admit(Address::from_ip(ip, 0).value());
}

}  // namespace

TEST_CASE("access rules: in their order, and whom none names is let in") {
  AccessRules rules;
  CHECK(!rules.given());
  CHECK(admits(rules, "192.0.2.1"));
  rules.rules = {rule(false, "10.0.0.1"), rule(true, "10.0.0.0/8"), rule(false, "10.1.0.0/16")};
  CHECK(!admits(rules, "10.0.0.1"));
  CHECK(admits(rules, "10.0.0.2"));
  CHECK(admits(rules, "10.1.0.1"));  // an earlier rule names it
  CHECK(admits(rules, "192.0.2.1"));
  rules.rules.push_back({.allows = false, .all = true});
  CHECK(!admits(rules, "192.0.2.1"));
  CHECK(!admits(rules, "2001:db8::1"));
  CHECK(admits(rules, "::ffff:10.0.0.2"));  // as 10.0.0.2
  CHECK(!rules.admit(Address::parse("unix:/run/x").value()));
  rules.rules.insert(rules.rules.begin(), AccessRule{.allows = true});
  rules.rules.front().who.unix_sockets = true;
  CHECK(rules.admit(Address::parse("unix:/run/x").value()));
}
