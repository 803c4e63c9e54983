// Membership: answers become members, peers keep their numbers while anybody may mean them, and
// questions that no conf asks are nobody's.
#include "core/process/membership.h"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>

#include "core/conf/conf.h"
#include "core/peers/peer_health.h"
#include "tests/conf/memory_inputs.h"

using namespace sluice;

namespace {

NameTargets targets(std::initializer_list<const char*> addresses) {
  NameTargets all;
  for (const char* each : addresses) all.push_back({Address::parse(each).value(), 0, 0});
  return all;
}

const NameQuestion chat{"chat.example", 80, false};

struct Fixture {
  Fixture() {
    load_with("10.0.0.1:80");
    membership.use_conf(*config, 1, true);
    memory.health = health;
    memory.rows = rows;
    memory.workers = &workers;
    board.emplace(memory, 0);
  }
  void load_with(const char* address) {
    inputs.hosts["chat.example"] = {Address::parse(address).value()};
    load(
        "listen 8080\nupstream up\nserver ws://chat.example\nserver ws://10.9.9.9\n"
        "route /\nproxy_pass up\n");
  }
  void load(const std::string& text) {
    inputs.files["/x.conf"] = text;
    ConfOptions options;
    options.ids = &ids;
    ConfOutcome outcome = load_conf("/x.conf", options, inputs);
    REQUIRE(outcome.config != nullptr);
    config = std::move(outcome.config);
  }
  bool take(NameTargets found, uint64_t now_ms = 0) {
    return membership.take({{chat, std::move(found)}}, *config, ids, most_peers, now_ms);
  }
  std::string peers() const {
    std::string all;
    for (const PeerConfig& each : peers_now(config->upstreams[0], membership.members())) {
      all += std::to_string(static_cast<uint32_t>(each.id)) + "=" + each.name + " ";
    }
    return all;
  }

  size_t most_peers = 100;
  testing::MemoryInputs inputs;
  ConfIds ids;
  std::unique_ptr<Config> config;
  Membership membership;
  std::array<PeerHealth, 8> health;
  std::array<PeerRow, 8> rows;
  std::atomic<uint32_t> workers{1};
  PeerBoard::Memory memory;
  std::optional<PeerBoard> board;
};

}  // namespace

TEST_CASE("membership: the first answer is the conf's own, a later one takes its place") {
  Fixture f;
  CHECK(f.peers() == "0=10.0.0.1:80 1=10.9.9.9:80 ");
  f.take(targets({"10.0.0.1:80"}));
  CHECK(f.peers() == "0=10.0.0.1:80 1=10.9.9.9:80 ");
  CHECK(f.take(targets({"10.0.0.2:80", "10.0.0.3:80"})));
  CHECK(f.peers() == "2=10.0.0.2:80 3=10.0.0.3:80 1=10.9.9.9:80 ");
  CHECK_FALSE(f.take(targets({"10.0.0.2:80", "10.0.0.3:80"})));
  CHECK(f.membership.members().generation == 1);
  CHECK(f.membership.answers().at(chat) == targets({"10.0.0.2:80", "10.0.0.3:80"}));
  CHECK_FALSE(f.membership.take({{{"other.example", 80, false}, targets({"10.0.0.7:80"})}},
                                *f.config, f.ids, 100, 0));
  CHECK(f.membership.answers().size() == 1);
}

TEST_CASE("membership: a peer's number is another's when it is long unlisted and nobody's") {
  Fixture f;
  f.take(targets({"10.0.0.2:80"}), 1'000);
  f.take(targets({"10.0.0.3:80"}), 2'000);
  f.rows[2].active = 1;  // a session with 10.0.0.2
  note_failure(*f.board, PeerId{0}, PeerFault::error, {.max_fails = 1}, 1'500);
  const uint64_t later = 2'000 + Membership::keep_number_ms;
  f.membership.release_unused(f.ids, *f.board, later - 1'001);
  f.take(targets({"10.0.0.4:80"}), later);
  CHECK(f.peers() == "4=10.0.0.4:80 1=10.9.9.9:80 ");
  f.membership.release_unused(f.ids, *f.board, later);
  CHECK(f.health[0].failed == 0);
  f.take(targets({"10.0.0.5:80", "10.0.0.6:80"}), later);
  CHECK(f.peers() == "0=10.0.0.5:80 5=10.0.0.6:80 1=10.9.9.9:80 ");
  // One that comes back in time is who it was.
  f.take(targets({"10.0.0.2:80"}), later + 1);
  CHECK(f.peers() == "2=10.0.0.2:80 1=10.9.9.9:80 ");
  f.rows[2].active = 0;
  f.membership.release_unused(f.ids, *f.board, later * 2);
  f.take(targets({"10.0.0.2:80", "10.0.0.7:80"}), later * 2);
  CHECK(f.peers() == "2=10.0.0.2:80 0=10.0.0.7:80 1=10.9.9.9:80 ");
}

TEST_CASE("membership: a new conf has the answers, and forgets what it does not ask") {
  Fixture f;
  f.take(targets({"10.0.0.2:80"}));
  f.membership.use_conf(*f.config, 2, true);
  CHECK(f.membership.members() == Members{2, {}});
  CHECK(f.membership.answers().count(chat) == 1);
  f.load("listen 8080\nroute /\nproxy_pass ws://10.9.9.9\n");
  f.membership.use_conf(*f.config, 3, true);
  CHECK(f.membership.answers().empty());
}

TEST_CASE("membership: where not all were told before a new conf, numbers are given to nobody") {
  for (const bool all_told : {true, false}) {
    CAPTURE(all_told);
    Fixture f;
    f.take(targets({"10.0.0.2:80"}), 1'000);
    f.load_with("10.0.0.2:80");
    f.membership.use_conf(*f.config, 2, all_told);
    const uint64_t later = 1'000 + 2 * Membership::keep_number_ms;
    f.membership.release_unused(f.ids, *f.board, later);
    f.take(targets({"10.0.0.3:80"}), later);
    // A worker may still list the peer of number 0 for the sessions of the conf before.
    CHECK(f.peers() ==
          (all_told ? "0=10.0.0.3:80 1=10.9.9.9:80 " : "3=10.0.0.3:80 1=10.9.9.9:80 "));
  }
}

TEST_CASE("membership: a target without a number is left out and counted, until one is free") {
  Fixture f;
  f.most_peers = 4;
  f.take(targets({"10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80"}), 1'000);
  CHECK(f.peers() == "2=10.0.0.2:80 3=10.0.0.3:80 1=10.9.9.9:80 ");
  CHECK(f.membership.left_out() == 1);
  f.membership.release_unused(f.ids, *f.board, 1'000 + Membership::keep_number_ms);
  f.take(targets({"10.0.0.2:80", "10.0.0.4:80"}), 100'000);
  CHECK(f.peers() == "2=10.0.0.2:80 0=10.0.0.4:80 1=10.9.9.9:80 ");
  CHECK(f.membership.left_out() == 0);
}
