// Attempt: one peer, until it is connected, refuses or is too slow; and taking over another one's.
#include "core/session/attempt.h"

#include <doctest/doctest.h>

#include <string>

#include "core/peers/peer_health.h"
#include "tests/unit/worker_testing.h"

namespace sluice {
namespace {

using Step = Attempt::Step;

struct Trying {
  explicit Trying(const std::string& servers)
      : worker("upstream up\n" + servers + "route /\nproxy_pass up\nconnect_timeout 1s\n"),
        lent(worker),
        attempt(lent.context, worker.route(), lent.context.upstream, index_of(Side::upstream),
                none) {}

  PeerBoard& board() { return worker.upstreams.peers().board(); }
  uint32_t failures(PeerFailure what) {
    return board().health(PeerId{0}).failed_by[static_cast<size_t>(what)];
  }
  Step settle() {
    Step step = Step::wait;
    CHECK(worker.turn_until([&] { return (step = attempt.run()) != Step::wait; }));
    return step;
  }

  const std::string none;  // of a preamble
  testing::TestWorker worker;
  testing::Lent lent;
  Attempt attempt;
};

TEST_CASE("attempt: connected, with the deadline of the answer") {
  const testing::TestUpstream upstream;
  Trying t("server " + upstream.uri() + "\n");
  CHECK(t.attempt.peer() == nullptr);
  CHECK(t.attempt.begin(PeerId{0}, false) == Step::wait);
  CHECK(std::string(t.attempt.time_limit()) == "connect_timeout");
  CHECK(t.attempt.deadline_ms() == t.worker.reactor.now_ms() + 1000);
  CHECK(t.settle() == Step::ready);
  CHECK(t.attempt.connected());
  CHECK(std::string(t.attempt.time_limit()) == "handshake_timeout");
  CHECK(t.board().active(PeerId{0}) == 1);
  CHECK(t.board().health(PeerId{0}).failed == 0);
}

TEST_CASE("attempt: refused, and what it says then") {
  Trying t("server " + testing::nobody_uri() + "\n");
  if (t.attempt.begin(PeerId{0}, false) == Step::wait) CHECK(t.settle() == Step::failed);
  CHECK(std::string(t.attempt.failure()) == "no peer could be reached");
  CHECK_FALSE(t.attempt.lacked_descriptor());
  CHECK(t.board().health(PeerId{0}).latest == PeerFault::error);
  CHECK(t.failures(PeerFailure::connect) == 1);
}

TEST_CASE("attempt: a failure is of what it was at") {
  const testing::TestUpstream upstream;
  Trying t("server " + upstream.uri() + "\n");
  CHECK(t.attempt.begin(PeerId{0}, false) == Step::wait);
  CHECK(t.settle() == Step::ready);
  for (const PeerFault fault : {PeerFault::error, PeerFault::invalid_answer, PeerFault::status}) {
    t.attempt.note_fault(fault);
  }
  CHECK(t.failures(PeerFailure::connect) == 0);
  CHECK(t.failures(PeerFailure::lost) == 1);
  CHECK(t.failures(PeerFailure::invalid_answer) == 1);
  CHECK(t.failures(PeerFailure::status) == 1);
}

TEST_CASE("attempt: too slow") {
  const testing::TestUpstream upstream;
  Trying t("server " + upstream.uri() + "\n");
  CHECK(t.attempt.begin(PeerId{0}, false) == Step::wait);
  CHECK(t.attempt.time_out() == "connect_timeout 1s");
  CHECK(t.board().health(PeerId{0}).latest == PeerFault::timeout);
  CHECK(t.failures(PeerFailure::timeout) == 1);
}

TEST_CASE("attempt: it takes over where another one is, with its leg and its claim") {
  const testing::TestUpstream first;
  const testing::TestUpstream second;
  Trying t("server " + first.uri() + "\nserver " + second.uri() + "\n");
  CHECK(t.attempt.begin(PeerId{0}, false) == Step::wait);
  CHECK(t.settle() == Step::ready);
  PeerHealth& health = t.board().health(PeerId{1});
  REQUIRE(claim_probe(health, 1, 1'000'000'000));
  Leg leg;
  {
    Attempt rival(t.lent.context, t.worker.route(), leg, rival_leg, t.none);
    CHECK(rival.begin(PeerId{1}, true) == Step::wait);
    t.lent.context.upstream.close(t.worker.reactor, End::orderly);
    CHECK(t.attempt.take_over(rival));
    CHECK_FALSE(leg.is_open());
  }
  CHECK(health.probe_until_ms != 0);
  CHECK(t.attempt.peer()->id == PeerId{1});
  CHECK_FALSE(t.attempt.connected());
  CHECK(t.settle() == Step::ready);  // its readiness was told anew
  CHECK(t.board().active(PeerId{0}) == 0);
  CHECK(t.board().active(PeerId{1}) == 1);
  t.attempt.note_answer();
  CHECK(health.probe_until_ms != 0);  // it was not out: nothing to tell
}

TEST_CASE("attempt: one that nobody awaits any more gives its claim back") {
  const testing::TestUpstream upstream;
  Trying t("server " + upstream.uri() + "\n");
  PeerHealth& health = t.board().health(PeerId{0});
  REQUIRE(claim_probe(health, 1, 1'000'000'000));
  Leg leg;
  {
    Attempt attempt(t.lent.context, t.worker.route(), leg, rival_leg, t.none);
    CHECK(attempt.begin(PeerId{0}, true) == Step::wait);
    CHECK(health.probe_until_ms != 0);
  }
  leg.close(t.worker.reactor, End::orderly);
  CHECK(health.probe_until_ms == 0);
}

}  // namespace
}  // namespace sluice
