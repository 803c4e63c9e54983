// Reload: a conf comes in parts, is loaded between turns, and is adopted whole or not at all.
#include "core/process/reload.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <memory>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "core/conf/conf.h"
#include "net/sys.h"
#include "net/sys_process.h"
#include "tests/conf/memory_inputs.h"
#include "tests/unit/net_testing.h"
#include "tests/unit/tls_testing.h"

namespace sluice {
namespace {

using testing::Descriptor;
using testing::MemoryInputs;

// The master's half: a conf with so many routes, recorded.
struct Recorded {
  explicit Recorded(int routes, ConfIds& ids) {
    MemoryInputs machine;
    std::string& text = machine.files["/x.conf"];
    text = "listen 127.0.0.1:1\n";
    for (int i = 0; i < routes; ++i) {
      text += "route /" + std::to_string(i) + "\nproxy_pass ws://127.0.0.1:2/\n";
    }
    RecordingInputs inputs(machine, 1 << 24);
    ConfOptions options;
    options.ids = &ids;
    config = ConfigRef(load_conf("/x.conf", options, inputs).config.release());
    REQUIRE(config);
    recording = std::string(inputs.bytes());
    Result<ConfBundle> made = ConfBundle::make(ids, recording);
    REQUIRE(made.ok());
    bundle.emplace(std::move(made.value()));
  }
  ConfigRef config;
  std::string recording;
  std::optional<ConfBundle> bundle;
};

struct Worker final : ReloadSink {
  bool has(const WorkerSocket& socket) const override { return socket.number == own; }
  bool adopt(LoadedConf& loaded) override {
    ++tries;
    if (short_of_memory) throw std::bad_alloc();
    config = loaded.config;
    for (WorkerSocket& each : loaded.sockets) {
      if (each.fd >= 0) taken.emplace_back(std::exchange(each.fd, -1));
    }
    return true;
  }
  void on_reload_end(uint32_t sequence, const std::string& why) override {
    ends.push_back(std::to_string(sequence) + ":" + why);
  }

  uint32_t own = 1'000;  // a number of a socket that it has
  bool short_of_memory = false;
  int tries = 0;
  ConfigRef config;
  std::vector<Descriptor> taken;
  std::vector<std::string> ends;
};

struct Fixture {
  Fixture() { REQUIRE(reactor.open().ok()); }

  // `sockets` come with the conf in all.
  ConfPart early_part(uint32_t generation, uint64_t sockets) {
    ConfPart part;
    part.terms = {generation, 1, 1 << 20, sockets};
    return part;
  }
  ConfPart last_part(const Recorded& recorded, uint32_t generation, uint64_t sockets = 0) {
    ConfPart part = early_part(generation, sockets);
    part.bundle = ::dup(recorded.bundle->fd());
    part.bundle_bytes = recorded.bundle->bytes();
    return part;
  }
  void add_socket(ConfPart& part, uint32_t number) {
    part.sockets[part.socket_count++] = {ListenerId{0}, number, ::dup(0)};
  }
  // Turns until there are so many ends; returns how many turns it took.
  int turn_until(size_t ends) {
    int turns = 0;
    for (; worker.ends.size() < ends && turns < 100'000; ++turns) reactor.turn(0);
    CHECK(worker.ends.size() == ends);
    return turns;
  }

  Reactor reactor;
  Worker worker;
  TlsStore store;
  ConfIds ids;
  Recorded first{1, ids};
  Reload reload{reactor, worker, store};
};

TEST_CASE("reload: a conf is loaded over several turns and adopted with its sockets") {
  const uint64_t held = sys::held_descriptors();
  {
    Fixture f;
    f.worker.own = 1;
    const Recorded next(500, f.ids);
    ConfPart early = f.early_part(2, 3);
    f.add_socket(early, 0);
    f.add_socket(early, 1);  // it has that one
    ConfPart last = f.last_part(next, 2, 3);
    f.add_socket(last, 2);
    f.reload.take(early, 6, f.first.config);
    f.reload.take(last, 7, f.first.config);
    CHECK(f.worker.tries == 0);
    CHECK(f.turn_until(1) > 1);
    CHECK(f.worker.ends == std::vector<std::string>{"7:"});
    CHECK_FALSE(f.reload.under_way());
    REQUIRE(f.worker.config);
    CHECK(f.worker.config->routes.size() == 500);
    CHECK(f.worker.config->upstreams[0].id == next.config->upstreams[0].id);
    CHECK(f.worker.taken.size() == 2);
  }
  CHECK(sys::held_descriptors() == held);
}

TEST_CASE("reload: where memory is short nothing is lost, and the last part comes again") {
  Fixture f;
  const Recorded next(3, f.ids);
  ConfPart early = f.early_part(2, 1);
  f.add_socket(early, 0);
  f.reload.take(early, 6, f.first.config);
  f.worker.short_of_memory = true;
  f.reload.take(f.last_part(next, 2, 1), 7, f.first.config);
  f.turn_until(1);
  CHECK(f.worker.ends.back() == "7:out of memory");
  CHECK_FALSE(f.worker.config);
  f.worker.short_of_memory = false;
  f.reload.take(f.last_part(next, 2, 1), 7, f.first.config);
  f.turn_until(2);
  CHECK(f.worker.ends.back() == "7:");
  CHECK(f.worker.taken.size() == 1);
}

TEST_CASE("reload: a conf is not adopted before all of its sockets have come") {
  const uint64_t held = sys::held_descriptors();
  {
    Fixture f;
    f.worker.own = 1;
    const Recorded next(3, f.ids);
    const auto take_last = [&f, &next] {
      ConfPart last = f.last_part(next, 2, 4);
      f.add_socket(last, 2);
      f.add_socket(last, 3);
      f.reload.take(last, 8, f.first.config);
    };
    ConfPart early = f.early_part(2, 4);
    f.add_socket(early, 0);
    f.reload.take(early, 6, f.first.config);
    for (int i = 0; i < 2; ++i) {  // the same sockets again are not more of them
      take_last();
      CHECK(f.worker.ends.back() == "8:not all of its sockets have come");
      CHECK_FALSE(f.reload.under_way());
    }
    ConfPart late = f.early_part(2, 4);
    f.add_socket(late, 1);  // it has that one, which counts all the same
    f.reload.take(late, 7, f.first.config);
    CHECK(f.worker.tries == 0);
    take_last();
    f.turn_until(3);
    CHECK(f.worker.ends.back() == "8:");
    CHECK(f.worker.taken.size() == 3);
  }
  CHECK(sys::held_descriptors() == held);
}

TEST_CASE("reload: a later conf puts an end to the one under way, and to its sockets") {
  const uint64_t held = sys::held_descriptors();
  {
    Fixture f;
    const Recorded dropped(500, f.ids);
    const Recorded next(2, f.ids);
    ConfPart part = f.last_part(dropped, 2, 1);
    f.add_socket(part, 0);
    f.reload.take(part, 6, f.first.config);
    f.reactor.turn(0);
    f.reload.take(f.last_part(next, 3), 7, f.first.config);
    f.turn_until(1);
    CHECK(f.worker.ends == std::vector<std::string>{"7:"});
    CHECK(f.worker.config->routes.size() == 2);
    CHECK(f.worker.taken.empty());
  }
  CHECK(sys::held_descriptors() == held);
}

TEST_CASE("reload: a recording of another conf is not adopted") {
  Fixture f;
  Recorded next(2, f.ids);
  Result<ConfBundle> longer = ConfBundle::make(f.ids, next.recording + "more");
  REQUIRE(longer.ok());
  next.bundle.emplace(std::move(longer.value()));
  f.reload.take(f.last_part(next, 2), 7, f.first.config);
  f.turn_until(1);
  CHECK(f.worker.ends.back() == "7:the recording is another conf's");
  CHECK(f.worker.tries == 0);
}

TEST_CASE("reload: behind a conf that is not adopted nothing is forgotten") {
  Fixture f;
  const Recorded good(2, f.ids);
  Recorded bad(2, f.ids);
  Result<ConfBundle> longer = ConfBundle::make(f.ids, bad.recording + "more");
  REQUIRE(longer.ok());
  bad.bundle.emplace(std::move(longer.value()));
  f.reload.take(f.last_part(good, 2), 6, f.first.config);
  f.turn_until(1);
  REQUIRE(f.worker.ends.back() == "6:");  // what is behind it was not looked at yet
  const std::string pem = testing::pem_of(testing::test_authority().site);
  REQUIRE(f.store.certificates(pem).ok());
  f.reload.take(f.last_part(bad, 3), 7, f.first.config);
  f.turn_until(2);
  REQUIRE(f.worker.ends.back() == "7:the recording is another conf's");
  for (int i = 0; i < 5; ++i) f.reactor.turn(0);
  REQUIRE(f.store.certificates(pem).ok());
  CHECK(f.store.parsed() == 1);
}

TEST_CASE("reload: confs that nobody holds any more go in pieces, a new one comes before them") {
  Fixture f;
  const Recorded next(300, f.ids);
  const uint32_t living = Config::living;
  const auto old_conf = [] {
    auto config = std::make_unique<Config>();
    config->routes.resize(100'000);
    return config;
  };
  f.reload.bury(old_conf());
  f.reactor.turn(0);
  CHECK(Config::living == living + 1);  // a turn is too short for it
  f.reload.take(f.last_part(next, 2), 7, f.first.config);
  f.reload.bury(old_conf());
  f.turn_until(1);
  CHECK(f.worker.ends == std::vector<std::string>{"7:"});
  CHECK(Config::living == living + 3);
  for (int i = 0; i < 100'000 && f.reactor.run_queue_length() > 0; ++i) f.reactor.turn(0);
  CHECK(Config::living == living + 1);
}

}  // namespace
}  // namespace sluice
