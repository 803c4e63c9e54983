// Keeper: it checks, takes the master's messages, and ends. Each lives in a child of its own.
#include "core/process/keeper.h"

#include <doctest/doctest.h>
#include <signal.h>

#include <optional>
#include <string>
#include <utility>

#include "core/conf/recording.h"
#include "core/process/conf_bundle.h"
#include "core/process/keeper_place.h"
#include "core/process/peer_memory.h"
#include "tests/unit/process_testing.h"
#include "tests/unit/worker_testing.h"

namespace sluice {
namespace {

using testing::Child;
using testing::comes_true;
using testing::Descriptor;
using testing::Pair;

std::string checking(const testing::TestUpstream& upstream, const std::string& check) {
  return "listen 127.0.0.1:1\nupstream up\nserver " + upstream.uri() + "\nhealth_check " + check +
         "\nroute /\nproxy_pass up\n";
}

// A keeper with a master, which is the test.
class Kept {
 public:
  explicit Kept(const std::string& conf) {
    REQUIRE(memory.open(2).ok());
    Pair pair = testing::unix_pair();
    child.emplace([&] {
      pair.near.close();
      KeeperSetup setup;
      setup.config = ConfigRef(testing::config_of(conf).release());
      setup.control = pair.far.get();
      setup.logs.error.descriptor.fd = sys::open_for_append(log().c_str());
      setup.peers = memory.memory();
      const auto keeper = Keeper::start(std::move(setup));
      return keeper.ok() ? keeper.value()->run() : 99;
    });
    channel.emplace(pair.near.release());
  }

  std::string log() const { return folder.file("error.log"); }
  const PeerHealth& health() const { return memory.memory().health[0]; }
  bool comes_to_be(PeerCheck state) {
    return comes_true([&] { return health().check == state; });
  }
  // Whether it acknowledges all that it was sent.
  bool acknowledged() {
    return comes_true([this] {
      while (channel->next()) continue;
      channel->flush();
      return channel->unacknowledged() == 0;
    });
  }
  // A bundle of that conf, which was recorded as the keeper's own is named.
  ConfBundle bundle(const std::string& conf) {
    testing::MemoryInputs machine;
    machine.files["/sluice.conf"] = conf;
    RecordingInputs inputs(machine, 1 << 20);
    ConfIds ids;
    ConfOptions options;
    options.ids = &ids;
    REQUIRE(load_conf("/sluice.conf", options, inputs).config != nullptr);
    return std::move(ConfBundle::make(ids, inputs.bytes()).value());
  }

  testing::TemporaryFolder folder;
  PeerMemory memory;
  std::optional<ControlChannel> channel;
  std::optional<Child> child;
};

TEST_CASE("keeper: it checks over the board that others see, until a signal ends it") {
  for (const int signal : {SIGTERM, SIGINT, SIGQUIT}) {
    const testing::TestUpstream upstream;
    Kept kept(checking(upstream, "tcp interval=20ms"));
    CHECK(kept.comes_to_be(PeerCheck::up));
    kept.child->signal(SIGHUP);  // the master's to act on
    kept.child->signal(SIGUSR1);
    const uint32_t made = kept.health().checks;
    CHECK(comes_true([&] { return kept.health().checks > made; }));
    kept.child->signal(signal);
    CHECK(kept.child->wait() == 0);
    CHECK(kept.health().check == PeerCheck::up);
  }
}

TEST_CASE("keeper: it ends when its master is gone") {
  const testing::TestUpstream upstream;
  Kept kept(checking(upstream, "tcp interval=20ms"));
  CHECK(kept.comes_to_be(PeerCheck::up));
  kept.channel.reset();
  CHECK(kept.child->wait() == 0);
}

TEST_CASE("keeper: a new conf, new logs, and a conf that needs no keeper") {
  const testing::TestUpstream upstream;
  Kept kept(checking(upstream, "tcp interval=20ms"));
  CHECK(kept.comes_to_be(PeerCheck::up));
  // Nobody answers what this one asks.
  const ConfBundle hung =
      kept.bundle(checking(upstream, "http / interval=50ms timeout=20ms fall=1"));
  REQUIRE(send_conf(*kept.channel, {2, 1, 0}, {}, hung.fd(), hung.bytes()).ok());
  CHECK(kept.acknowledged());
  CHECK(kept.comes_to_be(PeerCheck::down));
  CHECK(kept.health().latest_check == PeerFault::timeout);
  CHECK(testing::comes_to_say(kept.log(), "is out: health_check http /: no answer within "));

  const std::string other = kept.folder.file("other.log");
  const Descriptor fresh(sys::open_for_append(other.c_str()));
  REQUIRE(send_logs(*kept.channel, {{{fresh.get(), false}}, {}}).ok());
  CHECK(kept.acknowledged());

  const ConfBundle none = kept.bundle(checking(upstream, "off"));
  REQUIRE(send_conf(*kept.channel, {3, 1, 0}, {}, none.fd(), none.bytes()).ok());
  CHECK(kept.acknowledged());
  CHECK(kept.child->wait() == 0);
  CHECK(kept.health().check == PeerCheck::none);
}

TEST_CASE("keeper: a message that is none ends it with status 1") {
  const testing::TestUpstream upstream;
  Kept kept(checking(upstream, "tcp"));
  testing::send_text(kept.channel->fd(), "what is no frame of any channel's");
  CHECK(kept.child->wait() == 1);
}

TEST_CASE("keeper place: what a keeper found is forgotten when it is gone and none is wanted") {
  Reactor reactor;
  REQUIRE(reactor.open().ok());
  Log log;
  PeerMemory memory;
  REQUIRE(memory.open(1).ok());
  KeeperPlace place(
      reactor, log, memory, [](int) { return 0; }, [] {}, [](size_t) { return false; });
  CHECK(place.pid() == 0);
  CHECK_FALSE(place.any_alive());
  CHECK_FALSE(place.awaits_conf());
  // None is wanted any more, and none is there: what the last one found is forgotten.
  place.want(true);
  place.crew().start_missing();
  CHECK(place.pid() > 0);
  memory.memory().health[3].check = PeerCheck::down;
  place.want(false);
  CHECK(memory.memory().health[3].check == PeerCheck::down);  // it may still write
  int status = 0;
  pid_t pid = 0;
  CHECK(comes_true([&] { return (pid = sys::reap(status)) > 0; }));
  CHECK(place.crew().take_in(pid, status));
  CHECK(memory.memory().health[3].check == PeerCheck::none);
}

}  // namespace
}  // namespace sluice
