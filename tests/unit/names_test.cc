// Names: which name is asked when, what is told of the answers, and what stands in their place.
#include "core/keeper/names.h"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <optional>

#include "tests/unit/dns_testing.h"

namespace sluice {
namespace {

using Habit = testing::StubDns::Habit;
using testing::StubDns;

const NameQuestion chat{"chat.test", 80, false};

struct Fixture : NamesSink {
  Fixture() : names(std::in_place, reactor, log, *this) {
    REQUIRE(reactor.open().ok());
    REQUIRE(names->open().ok());
    log.error_sink.use({::open(log_path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600), false});
    settings.servers = {dns.address()};
    settings.least_interval_ms = 20;
    settings.most_interval_ms = 60;
  }
  ~Fixture() override { sys::close(log.error_sink.descriptor().fd); }

  void on_targets(const NameQuestion& question, const NameTargets& targets) override {
    if (short_of_memory) throw std::bad_alloc();
    CHECK_FALSE(targets.empty());
    std::string text = question.host + ":";
    for (const NameTarget& each : targets) text += " " + each.address.text();
    told.push_back(text);
  }
  void use(const std::vector<NameQuestion>& questions) { names->use(questions, settings); }
  void turn() {
    reactor.turn(1);
    dns.serve();
  }
  template <class Done>
  bool turn_until(Done done) {
    for (int i = 0; i < testing::patience_ms && !done(); ++i) turn();
    return done();
  }
  bool is_told(const std::string& text) {
    return turn_until([&] { return !told.empty() && told.back() == text; });
  }
  // So many questions more, of both kinds of addresses.
  bool is_asked(int more, const std::string& name = "chat.test") {
    const int before = dns.asked(name);
    return turn_until([&] { return dns.asked(name) >= before + 2 * more; });
  }
  bool logged(const std::string& text) {
    log.flush();
    std::string content;
    REQUIRE(sys::read_whole_file(log_path.c_str(), 1 << 20, content) == 0);
    return content.find(text) != std::string::npos;
  }
  int opened(const std::string& name, const std::string& text) {
    const std::string path = folder.file(name);
    REQUIRE(sys::write_whole_file(path.c_str(), text) == 0);
    return ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  }

  testing::TemporaryFolder folder;
  std::string log_path = folder.file("log");
  std::vector<std::string> told;
  bool short_of_memory = false;
  StubDns dns;
  Reactor reactor;
  Log log;
  ResolverSettings settings;
  std::optional<Names> names;
};

TEST_CASE("names: the first answer is told, then what changes") {
  Fixture f;
  f.dns.address("chat.test", "10.0.0.2", 0);
  f.dns.address("chat.test", "10.0.0.1", 0);
  f.use({chat, chat});
  CHECK(f.names->size() == 1);
  CHECK(f.is_told("chat.test: 10.0.0.1:80 10.0.0.2:80"));
  CHECK(f.logged("notice name chat.test: has 2 addresses"));
  CHECK(f.is_asked(3));
  CHECK(f.told.size() == 1);
  f.dns.forget("chat.test");
  f.dns.address("chat.test", "10.0.0.3", 0);
  CHECK(f.is_told("chat.test: 10.0.0.3:80"));
  CHECK(f.logged("notice name chat.test: now has 1 address, had 2"));
  CHECK(f.told.size() == 2);
  CHECK(f.names->counts().ok >= 4);
  CHECK(f.names->counts().none + f.names->counts().failed + f.names->counts().timed_out == 0);
}

TEST_CASE("names: an answer stands for its TTL, within the interval") {
  Fixture f;
  f.settings.least_interval_ms = 30;
  f.settings.most_interval_ms = 3'600'000;
  f.dns.address("short.test", "10.0.0.1", 0);
  f.dns.address("long.test", "10.0.0.1", 3'000);
  f.use({{"short.test", 80, false}, {"long.test", 80, false}});
  CHECK(f.turn_until([&] { return f.told.size() == 2; }));
  const uint64_t begin_ms = sys::monotonic_ms();
  CHECK(f.is_asked(5, "short.test"));
  CHECK(sys::monotonic_ms() - begin_ms >= 4 * 30);
  CHECK(f.dns.asked("long.test") == 2);
  // A shorter interval counts for answers that stand already.
  f.settings.most_interval_ms = 30;
  f.use({{"short.test", 80, false}, {"long.test", 80, false}});
  CHECK(f.is_asked(3, "long.test"));
  CHECK(f.told.size() == 2);
}

TEST_CASE("names: the last good answer stands where there is no other one") {
  Fixture f;
  f.dns.address("chat.test", "10.0.0.1", 0);
  f.use({chat});
  CHECK(f.is_told("chat.test: 10.0.0.1:80"));
  f.dns.behave(Habit::servfail);
  CHECK(f.turn_until([&] { return f.names->counts().failed >= 2; }));
  CHECK(f.logged("warn name chat.test: does not resolve, its addresses stay as they were: " +
                 f.dns.address().text() + " answered SERVFAIL: it could not find out; resolver"));
  f.dns.behave(Habit::none);
  CHECK(f.turn_until([&] { return f.logged("name chat.test: resolves again, to the 1 address"); }));
  f.dns.forget("chat.test");
  CHECK(f.turn_until([&] { return f.names->counts().none >= 1; }));
  CHECK(f.logged("there is no such name; is it written as its name servers know it?"));
  f.dns.know("chat.test");
  CHECK(f.turn_until([&] { return f.names->counts().none >= 3; }));
  CHECK(f.told.size() == 1);
  f.dns.behave(Habit::none);
  f.dns.address("chat.test", "10.0.0.2", 0);
  CHECK(f.is_told("chat.test: 10.0.0.2:80"));
}

TEST_CASE("names: a name server that is silent is told of, with what may help") {
  Fixture f;
  f.settings.timeout_ms = 30;
  f.dns.behave(Habit::silence);
  f.use({chat});
  CHECK(f.turn_until([&] { return f.names->counts().timed_out >= 1; }));
  CHECK(
      f.logged("warn name chat.test: does not resolve, and has no address so far: no answer from " +
               f.dns.address().text() +
               " within resolver_timeout 30ms; resolver names other name servers, "
               "resolver_timeout gives them longer"));
}

TEST_CASE("names: one that has no answer is asked less and less often, then is there") {
  Fixture f;
  f.settings.least_interval_ms = 10;
  f.settings.most_interval_ms = 80;
  f.use({chat});
  const uint64_t begin_ms = sys::monotonic_ms();
  CHECK(f.turn_until([&] { return f.names->counts().none == 6; }));
  CHECK(sys::monotonic_ms() - begin_ms >= 10 + 20 + 40 + 80 + 80);
  CHECK(f.logged("warn name chat.test: does not resolve, and has no address so far: "));
  CHECK(f.told.empty());
  f.dns.address("chat.test", "10.0.0.1", 0);
  CHECK(f.is_told("chat.test: 10.0.0.1:80"));
}

TEST_CASE("names: an incomplete answer adds and takes nothing away") {
  Fixture f;
  f.dns.address("chat.test", "10.0.0.1", 0);
  f.dns.address("chat.test", "::1", 0);
  f.use({chat});
  CHECK(f.is_told("chat.test: 10.0.0.1:80 [::1]:80"));
  f.dns.behave(Habit::refused, "chat.test", RecordKind::aaaa);
  f.dns.address("chat.test", "10.0.0.2", 0);
  CHECK(f.is_told("chat.test: 10.0.0.1:80 10.0.0.2:80 [::1]:80"));
  CHECK(f.turn_until([&] { return f.logged("warn name chat.test: resolves in part"); }));
  f.dns.forget("chat.test");
  f.dns.address("chat.test", "10.0.0.2", 0);
  CHECK(f.is_asked(3));
  CHECK(f.told.size() == 2);
  f.dns.behave(Habit::none, "chat.test", RecordKind::aaaa);
  CHECK(f.is_told("chat.test: 10.0.0.2:80"));
}

TEST_CASE("names: too many addresses are left out, always the same ones") {
  Fixture f;
  f.settings.most_addresses = 2;
  for (const char* host : {"10.0.0.4", "10.0.0.1", "10.0.0.3"}) f.dns.address("chat.test", host, 0);
  f.use({chat});
  CHECK(f.is_told("chat.test: 10.0.0.1:80 10.0.0.3:80"));
  CHECK(f.logged("name chat.test: 1 are left out, beyond resolve_max_addresses 2"));
  CHECK(f.is_asked(3));
  CHECK(f.told.size() == 1);
}

TEST_CASE("names: a conf adds, takes away, and leaves alone") {
  Fixture f;
  f.settings.least_interval_ms = f.settings.most_interval_ms = 3'600'000;
  f.dns.address("chat.test", "10.0.0.1");
  f.dns.address("other.test", "10.0.0.2");
  f.use({chat});
  CHECK(f.is_told("chat.test: 10.0.0.1:80"));
  const NameQuestion other{"other.test", 81, false};
  f.use({chat, other, {"localhost", 80, false}, {"a.localhost", 80, false}});
  CHECK(f.names->size() == 2);
  CHECK(f.is_told("other.test: 10.0.0.2:81"));
  CHECK(f.dns.asked("chat.test") == 2);
  f.use({});
  CHECK(f.names->size() == 0);
  CHECK(f.reactor.armed_timers() == 0);
  // It is a new one when it comes back.
  f.use({chat});
  CHECK(f.turn_until([&] { return f.told.size() == 3; }));
  CHECK(f.dns.asked("chat.test") == 4);
  CHECK(f.dns.asked("localhost") + f.dns.asked("a.localhost") == 0);
}

TEST_CASE("names: one that is asked while a conf takes it away is told nobody") {
  Fixture f;
  f.dns.address("chat.test", "10.0.0.1");
  f.dns.behave(Habit::silence);
  f.use({chat});
  CHECK(f.is_asked(1));
  f.use({});
  f.dns.behave(Habit::none);
  f.use({{"other.test", 80, false}});
  CHECK(f.turn_until([&] { return f.names->counts().none >= 1; }));
  CHECK(f.told.empty());
}

TEST_CASE("names: many of them all come to be known, few at a time") {
  Fixture f;
  f.settings.least_interval_ms = f.settings.most_interval_ms = 3'600'000;
  std::vector<NameQuestion> questions;
  for (int i = 0; i < 1'000; ++i) {
    const std::string name = "n" + std::to_string(i) + ".test";
    f.dns.address(name, "10.0.0.1");
    questions.push_back({name, 80, false});
  }
  f.use(questions);
  CHECK(f.turn_until([&] { return f.told.size() == 1'000; }));
  CHECK(f.dns.asked() >= 2'000);
}

TEST_CASE("names: hosts comes before name servers, and counts as soon as it changes") {
  Fixture f;
  f.dns.address("chat.test", "10.0.0.9", 0);
  f.names->use_files(f.opened("hosts", "10.0.0.1 chat.test\n"), -1);
  f.use({chat});
  CHECK(f.is_told("chat.test: 10.0.0.1:80"));
  CHECK(f.dns.asked("chat.test") == 0);
  REQUIRE(sys::write_whole_file(f.folder.file("hosts").c_str(), "10.0.0.2 other.test\n") == 0);
  CHECK(f.is_told("chat.test: 10.0.0.9:80"));
  REQUIRE(sys::write_whole_file(f.folder.file("hosts").c_str(), "::1 CHAT.test\n") == 0);
  CHECK(f.is_told("chat.test: [::1]:80"));
  // A name that comes later, and another file.
  f.use({chat, {"late.test", 80, false}});
  f.names->use_files(f.opened("hosts.new", "10.0.0.7 late.test\n"), -1);
  CHECK(f.turn_until([&] { return f.told.size() == 5; }));
  CHECK(f.told.size() == 5);
}

TEST_CASE("names: name servers, domains and their changes are resolv.conf's") {
  Fixture f;
  f.settings.servers.clear();
  f.settings.timeout_ms = 100;
  f.dns.address("chat.svc.test", "10.0.0.1", 0);
  // Nobody listens on port 53 of that one; where the system forbids it, that is a failure as well.
  const std::string nobody = "nameserver 127.99.99.99\noptions timeout:1 attempts:1\n";
  f.names->use_files(-1, f.opened("resolv.conf", nobody + "nameserver fe80::1%lo\n"));
  const NameQuestion question{"chat", 80, false};
  f.use({question});
  CHECK(f.turn_until([&] { return f.names->counts().failed + f.names->counts().timed_out >= 1; }));
  CHECK(f.logged("warn resolv.conf: \"nameserver fe80::1%lo\": "));
  // `resolver` takes the servers' place, and nothing else's.
  REQUIRE(sys::write_whole_file(f.folder.file("resolv.conf").c_str(),
                                nobody + "search svc.test\n") == 0);
  f.settings.servers = {f.dns.address()};
  f.use({question});
  CHECK(f.is_told("chat: 10.0.0.1:80"));
}

TEST_CASE("names: files that cannot be read are as good as none") {
  Fixture f;
  f.dns.address("chat.test", "10.0.0.9", 0);
  f.names->use_files(::open("/tmp", O_RDONLY | O_CLOEXEC), -1);
  f.use({chat});
  CHECK(f.is_told("chat.test: 10.0.0.9:80"));
  CHECK(f.logged("warn hosts: read: Is a directory"));
}

TEST_CASE("names: other name servers are asked at once for what has no answer") {
  Fixture f;
  StubDns second;
  second.address("chat.test", "10.0.0.1", 0);
  f.settings.least_interval_ms = f.settings.most_interval_ms = 3'600'000;
  f.use({chat});
  CHECK(f.turn_until([&] { return f.names->counts().none == 1; }));
  f.settings.servers = {second.address()};
  f.use({chat});
  CHECK(f.turn_until([&] {
    second.serve();
    return !f.told.empty();
  }));
  CHECK(f.told.back() == "chat.test: 10.0.0.1:80");
}

TEST_CASE("names: a sink without memory is told again") {
  Fixture f;
  f.dns.address("chat.test", "10.0.0.1", 0);
  f.short_of_memory = true;
  f.use({chat});
  CHECK(f.turn_until([&] { return f.names->counts().ok >= 2; }));
  f.short_of_memory = false;
  CHECK(f.is_told("chat.test: 10.0.0.1:80"));
}

TEST_CASE("names: it may end at any time") {
  Fixture f;
  f.dns.behave(Habit::silence);
  f.use({chat, {"_ws._tcp.test", 0, true}});
  CHECK(f.is_asked(1));
  f.names.reset();
  CHECK(f.reactor.armed_timers() == 0);
  CHECK(f.told.empty());
}

}  // namespace
}  // namespace sluice
