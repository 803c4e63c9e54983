// Dial: which peer is connected to, and what is said where none is.
#include "core/session/dial.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/unit/worker_testing.h"

namespace sluice {
namespace {

using Step = Dial::Step;

struct Dialling {
  explicit Dialling(const std::string& servers,
                    const std::string& directives = "connect_timeout 1s\n")
      : worker("upstream up\n" + servers + "route /\nproxy_pass up\n" + directives),
        lent(worker),
        dial(lent.context, worker.route()) {}

  // Until it is known how the dial ends.
  Step settle() {
    Step step = dial.begin();
    CHECK(worker.turn_until([&] {
      if (step == Step::wait || step == Step::again) step = dial.run();
      return step == Step::ready || step == Step::failed;
    }));
    return step;
  }

  testing::TestWorker worker;
  testing::Lent lent;
  Dial dial;
};

TEST_CASE("dial: one peer that listens") {
  const testing::TestUpstream upstream;
  Dialling d("server " + upstream.uri() + "\n");
  CHECK(d.dial.peer() == nullptr);
  CHECK(d.settle() == Step::ready);
  CHECK("ws://" + d.dial.peer()->name == upstream.uri());
  CHECK(d.lent.context.upstream.is_open());
  CHECK(!d.dial.has_next());
  CHECK(d.dial.run() == Step::ready);
}

TEST_CASE("dial: a dead peer gives way to the next one") {
  const testing::TestUpstream upstream;
  Dialling d("server " + testing::nobody_uri() + "\nserver " + upstream.uri() + "\n");
  CHECK(d.settle() == Step::ready);
  CHECK("ws://" + d.dial.peer()->name == upstream.uri());
}

TEST_CASE("dial: no peer is left, 502; one that was late, 504 with its directive") {
  Dialling dead("server " + testing::nobody_uri() + "\nserver " + testing::nobody_uri() + "\n");
  CHECK(dead.settle() == Step::failed);
  CHECK(dead.dial.refusal().status == 502);
  CHECK(std::string(dead.dial.refusal().reason) == "no peer could be reached");
  CHECK(!dead.lent.context.upstream.is_open());

  const testing::TestUpstream upstream;
  Dialling late("server " + upstream.uri() + "\n");
  CHECK(late.dial.begin() == Step::wait);
  CHECK(late.dial.on_timer() == Step::failed);  // before its connection was seen
  CHECK(late.dial.refusal().status == 504);
  CHECK(std::string(late.dial.refusal().reason) == "connect_timeout");
  CHECK(late.dial.refusal().detail == "connect_timeout 1s");
}

TEST_CASE("dial: a peer that is left after it was reached, for its answer or its silence") {
  const testing::TestUpstream first;
  const testing::TestUpstream second;
  Dialling d("server " + first.uri() + "\nserver " + second.uri() + "\n");
  CHECK(d.settle() == Step::ready);
  const std::string left = d.dial.peer()->name;
  CHECK(d.dial.has_next());
  CHECK(d.dial.leave("answered 503", "an answer") == Step::wait);
  CHECK(d.dial.peer()->name != left);
  CHECK(!d.dial.has_next());
  CHECK(d.worker.turn_until([&] { return d.dial.run() == Step::ready; }));
  CHECK(d.dial.on_timer() == Step::failed);
  // The first failure outranks the timeout: somebody answered.
  CHECK(d.dial.refusal().status == 502);
  CHECK(std::string(d.dial.refusal().reason) == "an answer");
}

TEST_CASE("dial: connect_timeout is armed for each peer, and handshake_timeout once connected") {
  const testing::TestUpstream upstream;
  Dialling d("server " + upstream.uri() + "\n", "connect_timeout 60s\nhandshake_timeout 30ms\n");
  CHECK(d.dial.begin() == Step::wait);
  CHECK(d.worker.reactor.armed_timers() == 1);
  CHECK(d.worker.turn_until([&] { return d.dial.run() == Step::ready; }));
  CHECK(d.worker.turn_until([&] { return d.worker.timers_expired == 1; }));
}

}  // namespace
}  // namespace sluice
