// Resolver: where a name leads, whatever name servers answer, over the real reactor.
#include "core/keeper/resolver.h"

#include <doctest/doctest.h>

#include <memory>
#include <optional>

#include "net/sys_platform.h"
#include "net/sys_sandbox.h"
#include "tests/unit/resolver_testing.h"

namespace sluice {
namespace {

using Habit = testing::StubDns::Habit;
using Kind = NameAnswer::Kind;
using Fixture = testing::ResolverFixture;
using testing::StubDns;
using testing::texts_of;

TEST_CASE("resolver: addresses of both kinds, sorted, with the smallest TTL") {
  Fixture f;
  f.dns.address("chat.test", "10.0.0.9", 60);
  f.dns.address("chat.test", "10.0.0.10", 7);
  f.dns.address("chat.test", "::1", 30);
  f.dns.address("chat.test", "10.0.0.9", 60);
  const NameAnswer answer = f.ask("chat.test");
  CHECK(answer.kind == Kind::targets);
  CHECK(texts_of(answer.targets) == "10.0.0.10:80 10.0.0.9:80 [::1]:80");
  CHECK(answer.ttl_s == 7);
  CHECK_FALSE(answer.incomplete);
  CHECK(answer.why.empty());
  CHECK(f.dns.asked("chat.test") == 2);
  // Asked again, the answer is what it is by then.
  f.dns.forget("chat.test");
  f.dns.address("chat.test", "10.0.0.3", 0);
  const NameAnswer later = f.ask("chat.test");
  CHECK(texts_of(later.targets) == "10.0.0.3:80");
  CHECK(later.ttl_s == 0);
}

TEST_CASE("resolver: addresses that stand for all of them are none") {
  Fixture f;
  f.dns.address("chat.test", "0.0.0.0");
  f.dns.address("chat.test", "::");
  CHECK(f.ask("chat.test").kind == Kind::no_addresses);
  f.dns.address("chat.test", "10.0.0.1");
  CHECK(texts_of(f.ask("chat.test").targets) == "10.0.0.1:80");
}

TEST_CASE("resolver: no such name, and a name without an address") {
  Fixture f;
  const NameAnswer missing = f.ask("missing.test");
  CHECK(missing.kind == Kind::no_such_name);
  CHECK(missing.why == "there is no such name");
  f.dns.know("empty.test");
  const NameAnswer empty = f.ask("empty.test");
  CHECK(empty.kind == Kind::no_addresses);
  CHECK(empty.why == "the name is there and has no address");
  CHECK(empty.targets.empty());
}

TEST_CASE("resolver: aliases are followed, with their TTL") {
  Fixture f;
  f.dns.alias("chat.test", "Other.test", "10.0.0.4", 5);
  const NameAnswer answer = f.ask("chat.test");
  CHECK(texts_of(answer.targets) == "10.0.0.4:80");
  CHECK(answer.ttl_s == 5);
}

TEST_CASE("resolver: a name server that fails is asked again, then the next one") {
  Fixture f;
  StubDns second;
  f.dns.behave(Habit::servfail);
  second.address("chat.test", "10.0.0.1");
  const NameAnswer alone = f.ask("chat.test");
  CHECK(alone.kind == Kind::failed);
  CHECK(alone.why == f.dns.address().text() + " answered SERVFAIL: it could not find out");
  CHECK(f.dns.asked("chat.test") == 4);
  f.use({&f.dns, &second});
  const NameAnswer both = f.ask("chat.test");
  CHECK(texts_of(both.targets) == "10.0.0.1:80");
  CHECK_FALSE(both.incomplete);
  CHECK(f.dns.asked("chat.test") == 6);
}

TEST_CASE("resolver: one kind of addresses that cannot be found out makes it incomplete") {
  Fixture f;
  f.dns.address("chat.test", "10.0.0.1");
  f.dns.behave(Habit::refused, "chat.test", RecordKind::aaaa);
  const NameAnswer answer = f.ask("chat.test");
  CHECK(answer.kind == Kind::targets);
  CHECK(answer.incomplete);
  CHECK(texts_of(answer.targets) == "10.0.0.1:80");
  CHECK(answer.why.ends_with(" answered REFUSED: it does not answer us"));
}

TEST_CASE("resolver: answers that are not to the question are none, and time ends it") {
  Fixture f;
  f.rules.timeout_ms = 60;
  f.use({&f.dns});
  f.dns.address("chat.test", "10.6.6.6");
  for (const Habit habit : {Habit::silence, Habit::wrong_id, Habit::wrong_question,
                            Habit::wrong_port, Habit::garbage}) {
    CAPTURE(static_cast<int>(habit));
    f.dns.behave(habit);
    const NameAnswer answer = f.ask("chat.test");
    CHECK(answer.kind == Kind::timed_out);
    CHECK(answer.targets.empty());
    CHECK_FALSE(answer.why.empty());
  }
  f.dns.behave(Habit::none);
  f.rules.timeout_ms = 5'000;
  f.use({&f.dns});
  CHECK(f.ask("chat.test").kind == Kind::targets);
}

TEST_CASE("resolver: what was found out when the time is over is an incomplete answer") {
  Fixture f;
  f.rules.timeout_ms = 800;
  f.use({&f.dns});
  f.dns.address("chat.test", "10.0.0.1");
  f.dns.behave(Habit::silence, "chat.test", RecordKind::aaaa);
  const NameAnswer answer = f.ask("chat.test");
  CHECK(answer.kind == Kind::targets);
  CHECK(answer.incomplete);
  CHECK(texts_of(answer.targets) == "10.0.0.1:80");
  CHECK(answer.why ==
        "no answer from " + f.dns.address().text() + " within resolver_timeout 800ms");
}

TEST_CASE("resolver: an answer that is broken is a failure") {
  Fixture f;
  f.dns.know("chat.test");
  f.dns.behave(Habit::loop);
  const NameAnswer answer = f.ask("chat.test");
  CHECK(answer.kind == Kind::failed);
  CHECK(answer.why.ends_with(" answered with a message that is broken"));
}

TEST_CASE("resolver: where nobody listens, the next one is asked at once") {
  Fixture f;
  auto gone = std::make_unique<StubDns>();
  f.rules.timeout_ms = 3'600'000;
  f.rules.try_timeout_ms = 3'600'000;
  f.dns.address("chat.test", "10.0.0.1");
  f.use({gone.get(), &f.dns});
  f.servers = {&f.dns};
  gone.reset();
  CHECK(texts_of(f.ask("chat.test").targets) == "10.0.0.1:80");
}

TEST_CASE("resolver: servers that are silent leave the next one time enough") {
  Fixture f;
  StubDns silent;
  silent.behave(Habit::silence);
  f.dns.address("chat.test", "10.0.0.1");
  f.rules.timeout_ms = 1'600;
  f.rules.tries = 1;
  f.rules.try_timeout_ms = 3'600'000;
  f.use({&silent, &f.dns});
  CHECK(texts_of(f.ask("chat.test").targets) == "10.0.0.1:80");
  CHECK(silent.asked("chat.test") == 2);
}

TEST_CASE("resolver: an answer that comes when the next server is asked counts") {
  Fixture f;
  StubDns late;
  late.address("chat.test", "10.0.0.1");
  f.dns.behave(Habit::silence);
  f.rules.timeout_ms = 3'600'000;
  f.rules.try_timeout_ms = 20;
  f.rules.tries = 1'000;
  f.use({&late, &f.dns});
  f.servers = {&f.dns};
  std::optional<NameAnswer> answer;
  f.resolver.ask({"chat.test", 80, false}, [&](NameAnswer& told) { answer = told; });
  CHECK(f.turn_until([&] { return f.dns.asked("chat.test") >= 2; }));
  late.serve();
  CHECK(f.turn_until([&] { return answer.has_value(); }));
  CHECK(texts_of(answer->targets) == "10.0.0.1:80");
}

TEST_CASE("resolver: rotate begins with another server each time") {
  Fixture f;
  StubDns second;
  f.dns.address("chat.test", "10.0.0.1");
  second.address("chat.test", "10.0.0.1");
  f.rules.rotate = true;
  f.use({&f.dns, &second});
  for (int i = 0; i < 4; ++i) CHECK(f.ask("chat.test").kind == Kind::targets);
  CHECK(f.dns.asked() == 4);
  CHECK(second.asked() == 4);
}

TEST_CASE("resolver: what is too long for a datagram comes over TCP, over one connection or more") {
  Fixture f;
  f.dns.address("small.test", "10.0.0.1");
  f.dns.behave(Habit::truncated);
  for (int i = 0; i < 3; ++i) CHECK(texts_of(f.ask("small.test").targets) == "10.0.0.1:80");
  CHECK(f.dns.asked_over_tcp() == 6);
  f.dns.behave(Habit::none);
  for (int i = 0; i < 4'094; ++i) {
    f.dns.address("large.test", "10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250));
  }
  const NameAnswer large = f.ask("large.test");
  CHECK(large.kind == Kind::targets);
  CHECK(large.targets.size() == 256);
  CHECK(large.left_out == 4'094 - 256);
  // The same ones, however the server turns them.
  CHECK(large.targets[0].address.text() == "10.1.0.0:80");
  CHECK(large.targets[1].address.text() == "10.1.0.100:80");
}

TEST_CASE("resolver: many questions share a connection") {
  Fixture f;
  f.dns.behave(Habit::truncated);
  int answers = 0;
  for (int i = 0; i < 40; ++i) {
    const std::string name = "n" + std::to_string(i) + ".test";
    f.dns.address(name, "10.0.0." + std::to_string(i));
    f.resolver.ask({name, 80, false}, [&answers, i](NameAnswer& told) {
      answers += texts_of(told.targets) == "10.0.0." + std::to_string(i) + ":80";
    });
  }
  CHECK(f.turn_until([&] { return f.resolver.under_way() == 0; }));
  CHECK(answers == 40);
}

TEST_CASE("resolver: a connection that ends without an answer is a failure") {
  Fixture f;
  f.dns.know("chat.test");
  f.dns.behave(Habit::hang_up);
  for (int i = 0; i < 40; ++i) f.dns.address("chat.test", "10.0.0." + std::to_string(i));
  f.rules.timeout_ms = 300;
  f.use({&f.dns});
  const NameAnswer answer = f.ask("chat.test");
  CHECK((answer.kind == Kind::failed || answer.kind == Kind::timed_out));
}

TEST_CASE("resolver: names with few dots are looked for in the domains first") {
  Fixture f;
  f.rules.domains = {"svc.test", "test"};
  f.rules.ndots = 2;
  f.use({&f.dns});
  f.dns.address("chat.test", "10.0.0.1");
  CHECK(texts_of(f.ask("chat").targets) == "10.0.0.1:80");
  CHECK(f.dns.asked("chat.svc.test") == 2);
  CHECK(f.dns.asked("chat") == 0);
  f.dns.address("a.b.c", "10.0.0.2");
  CHECK(texts_of(f.ask("a.b.c").targets) == "10.0.0.2:80");
  CHECK(f.dns.asked("a.b.c.test") == 0);
  CHECK(texts_of(f.ask("chat.test.").targets) == "10.0.0.1:80");
  CHECK(f.dns.asked("chat.test.svc.test") == 0);
  CHECK(f.ask("nowhere").kind == Kind::no_such_name);
  CHECK(f.dns.asked("nowhere") == 2);
  // A domain whose server fails hides the others, as it does for the C library.
  f.dns.behave(Habit::servfail, "chat.svc.test");
  CHECK(f.ask("chat").kind == Kind::failed);
}

TEST_CASE("resolver: the names to try") {
  ResolverRules rules;
  rules.domains = {"a", "b"};
  using Names = std::vector<std::string>;
  CHECK(names_to_try("x", rules) == Names{"x.a", "x.b", "x"});
  CHECK(names_to_try("x.y", rules) == Names{"x.y", "x.y.a", "x.y.b"});
  CHECK(names_to_try("x.", rules) == Names{"x"});
  CHECK(names_to_try(std::string(252, 'x'), rules) == Names{std::string(252, 'x')});
  rules.ndots = 0;
  CHECK(names_to_try("x", rules) == Names{"x", "x.a", "x.b"});
}

TEST_CASE("resolver: servers change while questions are under way") {
  Fixture f;
  StubDns second;
  f.dns.behave(Habit::silence);
  second.address("chat.test", "10.0.0.2");
  std::optional<NameAnswer> answer;
  f.resolver.ask({"chat.test", 80, false}, [&](NameAnswer& told) { answer = told; });
  CHECK(f.turn_until([&] { return f.dns.asked("chat.test") == 2; }));
  f.use({&second});
  CHECK(f.turn_until([&] { return answer.has_value(); }));
  CHECK(texts_of(answer->targets) == "10.0.0.2:80");
  // Fewer, and more again.
  f.use({&f.dns, &second, &f.dns});
  f.use({&second});
  f.use({&second, &second});
  CHECK(texts_of(f.ask("chat.test").targets) == "10.0.0.2:80");
}

TEST_CASE("resolver: who cancels is not told, and nor is anybody when it ends") {
  bool told = false;
  const auto tell = [&told](NameAnswer&) { told = true; };
  {
    Fixture f;
    f.dns.behave(Habit::silence);
    const Handle first = f.resolver.ask({"a.test", 80, false}, tell);
    f.resolver.cancel(first);
    f.resolver.cancel(first);
    CHECK(f.resolver.under_way() == 0);
    const Handle second = f.resolver.ask({"b.test", 80, false}, tell);
    CHECK(f.turn_until([&] { return f.dns.asked("b.test") == 2; }));
    f.resolver.cancel(second);
    f.dns.behave(Habit::truncated);
    f.resolver.ask({"c.test", 80, false}, tell);
    CHECK(f.turn_until([&] { return f.dns.asked_over_tcp() == 2; }));
    f.dns.behave(Habit::silence);
    f.resolver.ask({"d.test", 80, false}, tell);
    CHECK(f.turn_until([&] { return f.dns.asked("d.test") == 2; }));
    f.resolver.ask({"e.test", 80, false}, tell);
    told = false;
  }
  CHECK_FALSE(told);
}

TEST_CASE("resolver: a question may be asked from within an answer") {
  Fixture f;
  f.dns.address("a.test", "10.0.0.1");
  f.dns.address("b.test", "10.0.0.2");
  std::string texts;
  f.resolver.ask({"a.test", 80, false}, [&](NameAnswer& a) {
    texts = texts_of(a.targets);
    f.resolver.ask({"b.test", 81, false},
                   [&](NameAnswer& b) { texts += " " + texts_of(b.targets); });
  });
  CHECK(f.turn_until([&] { return texts == "10.0.0.1:80 10.0.0.2:81"; }));
}

// Exit status: the number of what was not as it should be.
int ask_confined() {
  Fixture f;
  f.dns.address("chat.test", "10.0.0.1");
  if (sys::forbid_new_privileges() != 0) return 1;
  if (sys::can_forbid_files() && sys::forbid_files() != 0) return 1;
  if (sys::filter_calls(sys::Confined::keeper) != 0) return 1;
  const Habit habits[] = {Habit::none, Habit::truncated};
  for (const Habit habit : habits) {
    f.dns.behave(habit);
    std::optional<NameAnswer> answer;
    f.resolver.ask({"chat.test", 80, false}, [&](NameAnswer& told) { answer = told; });
    if (!f.turn_until([&] { return answer.has_value(); })) return 2;
    if (texts_of(answer->targets) != "10.0.0.1:80") return 3;
  }
  f.rules.servers = {Address::from_ip("::1", 1).value(), f.dns.address()};
  f.resolver.use(f.rules);
  std::optional<NameAnswer> answer;
  f.resolver.ask({"chat.test", 80, false}, [&](NameAnswer& told) { answer = told; });
  if (!f.turn_until([&] { return answer.has_value(); })) return 4;
  if (texts_of(answer->targets) != "10.0.0.1:80") return 5;
  return sys::next_refused_call() < 0 ? 0 : 6;
}

TEST_CASE("resolver: it asks under the keeper's filter, by datagrams and streams") {
  if (!sys::can_filter_calls()) return;
  CHECK(sys::describe_exit(testing::run_in_child(ask_confined)) == "exited with status 0");
}

TEST_CASE("resolver: rules are those of the conf and of the file") {
  ResolverFile file;
  file.servers = {Address::from_ip("10.0.0.1", 53).value()};
  file.domains = {"test"};
  file.ndots = 3;
  file.timeout_s = 2;
  file.attempts = 4;
  file.rotate = true;
  ResolverSettings settings;
  settings.timeout_ms = 700;
  settings.most_addresses = 9;
  ResolverRules rules = resolver_rules(settings, file);
  CHECK(rules == ResolverRules{file.servers, {"test"}, 3, 2'000, 4, true, 700, 9});
  settings.servers = {Address::from_ip("::1", 5353).value()};
  rules.servers = settings.servers;
  CHECK(resolver_rules(settings, file) == rules);
}

}  // namespace
}  // namespace sluice
