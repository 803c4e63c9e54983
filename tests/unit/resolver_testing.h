// What the tests of the resolver share: one with a name server, and a question's answer.
#pragma once

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "core/keeper/resolver.h"
#include "tests/unit/dns_testing.h"

namespace sluice::testing {

inline std::string texts_of(const NameTargets& targets) {
  std::string texts;
  for (const NameTarget& each : targets) {
    texts += (texts.empty() ? "" : " ") + each.address.text();
    if (each.priority + each.weight > 0) {
      texts += "/" + std::to_string(each.priority) + "/" + std::to_string(each.weight);
    }
  }
  return texts;
}

struct ResolverFixture {
  ResolverFixture() {
    REQUIRE(reactor.open().ok());
    REQUIRE(resolver.open().ok());
    use({&dns});
  }

  void use(std::vector<StubDns*> stubs) {
    servers = std::move(stubs);
    rules.servers.clear();
    for (const StubDns* each : servers) rules.servers.push_back(each->address());
    resolver.use(rules);
  }
  void turn() {
    reactor.turn(1);
    for (StubDns* each : servers) each->serve();
  }
  template <class Done>
  bool turn_until(Done done) {
    for (int i = 0; i < patience_ms && !done(); ++i) turn();
    return done();
  }
  NameAnswer ask(const std::string& host, bool service = false) {
    std::optional<NameAnswer> answer;
    resolver.ask({host, static_cast<uint16_t>(service ? 0 : 80), service},
                 [&answer](NameAnswer& told) { answer = std::move(told); });
    CHECK(turn_until([&] { return answer.has_value(); }));
    CHECK(resolver.under_way() == 0);
    return answer.value_or(NameAnswer());
  }

  StubDns dns;
  std::vector<StubDns*> servers;
  Reactor reactor;
  ResolverRules rules;
  Resolver resolver{reactor};
};

}  // namespace sluice::testing
