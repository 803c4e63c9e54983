// Resolver: services, whose targets are asked for in turn.
#include <doctest/doctest.h>

#include "tests/unit/resolver_testing.h"

namespace sluice {
namespace {

using Fixture = testing::ResolverFixture;
using Habit = testing::StubDns::Habit;
using Kind = NameAnswer::Kind;
using testing::texts_of;

TEST_CASE("resolver: a service's targets, by priority, with weights and ports") {
  Fixture f;
  const std::string name = "_ws._tcp.test";
  f.dns.add(name, RecordKind::srv, testing::wire_service(20, 1, 81, "b.test"), 50);
  f.dns.add(name, RecordKind::srv, testing::wire_service(10, 5, 80, "A.test"), 40);
  f.dns.add(name, RecordKind::srv, testing::wire_service(10, 7, 82, "a.test"), 40);
  f.dns.add(name, RecordKind::srv, testing::wire_service(10, 7, 82, "gone.test"), 40);
  f.dns.add(name, RecordKind::srv, testing::wire_service(10, 7, 82, "10.0.0.66"), 40);
  f.dns.add(name, RecordKind::srv, testing::wire_service(10, 7, 82, "sp ace.test"), 40);
  f.dns.address("a.test", "10.0.0.1", 60);
  f.dns.address("a.test", "::1", 60);
  f.dns.address("b.test", "10.0.0.2", 9);
  const NameAnswer answer = f.ask(name, true);
  CHECK(answer.kind == Kind::targets);
  CHECK(texts_of(answer.targets) ==
        "10.0.0.1:80/10/5 10.0.0.1:82/10/7 [::1]:80/10/5 [::1]:82/10/7 10.0.0.2:81/20/1");
  CHECK(answer.ttl_s == 9);
  CHECK_FALSE(answer.incomplete);
  CHECK(f.dns.asked("10.0.0.66") == 0);
}

TEST_CASE("resolver: services that are none, have no target, or none with an address") {
  Fixture f;
  CHECK(f.ask("_ws._tcp.test", true).kind == Kind::no_such_name);
  f.dns.know("_ws._tcp.test");
  CHECK(f.ask("_ws._tcp.test", true).why == "the name is there and has no SRV record");
  f.dns.add("_ws._tcp.test", RecordKind::srv, testing::wire_service(0, 0, 0, ""));
  const NameAnswer none = f.ask("_ws._tcp.test", true);
  CHECK(none.kind == Kind::no_addresses);
  CHECK(none.why.starts_with("there is no such service"));
  f.dns.add("_ws._tcp.test", RecordKind::srv, testing::wire_service(0, 0, 80, "gone.test"));
  const NameAnswer gone = f.ask("_ws._tcp.test", true);
  CHECK(gone.kind == Kind::no_addresses);
  CHECK(gone.why == "none of its targets has an address");
}

TEST_CASE("resolver: a service with a target that cannot be found out is incomplete") {
  Fixture f;
  f.dns.add("_ws._tcp.test", RecordKind::srv, testing::wire_service(1, 1, 80, "a.test"));
  f.dns.add("_ws._tcp.test", RecordKind::srv, testing::wire_service(1, 1, 80, "b.test"));
  f.dns.address("a.test", "10.0.0.1");
  f.dns.behave(Habit::servfail, "b.test");
  const NameAnswer answer = f.ask("_ws._tcp.test", true);
  CHECK(answer.kind == Kind::targets);
  CHECK(answer.incomplete);
  CHECK(texts_of(answer.targets) == "10.0.0.1:80/1/1");
}

TEST_CASE("resolver: a service of many targets, few of which are asked at a time") {
  Fixture f;
  f.rules.most_addresses = 40;
  f.use({&f.dns});
  for (int i = 0; i < 50; ++i) {
    const std::string target = "t" + std::to_string(i) + ".test";
    f.dns.add("_ws._tcp.test", RecordKind::srv, testing::wire_service(1, 1, 80, target));
    f.dns.address(target, "10.0.0." + std::to_string(i));
  }
  const NameAnswer answer = f.ask("_ws._tcp.test", true);
  CHECK(answer.targets.size() == 40);
  CHECK(answer.left_out == 10);
}

TEST_CASE("resolver: a service of targets with many addresses has the first ones of all") {
  Fixture f;
  f.rules.most_addresses = 5;
  f.use({&f.dns});
  for (const std::string target : {"b.test", "a.test"}) {
    f.dns.add("_ws._tcp.test", RecordKind::srv, testing::wire_service(1, 0, 80, target));
    for (int i = 0; i < 10; ++i) {
      f.dns.address(target, (target == "a.test" ? "10.0.1." : "10.0.0.") + std::to_string(i));
    }
  }
  const NameAnswer answer = f.ask("_ws._tcp.test", true);
  CHECK(texts_of(answer.targets) ==
        "10.0.0.0:80/1/0 10.0.0.1:80/1/0 10.0.0.2:80/1/0 10.0.0.3:80/1/0 10.0.0.4:80/1/0");
  CHECK(answer.left_out == 15);
}

}  // namespace
}  // namespace sluice
