// What the tests of sessions and of the larger parts of an exchange share: a worker's parts without
// its process, and an upstream in the test's hand.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/conf/conf.h"
#include "core/session/session.h"
#include "core/session/session_context.h"
#include "core/session/worker_context.h"
#include "net/sys_process.h"
#include "protocol/frame_codec.h"
#include "tests/conf/memory_inputs.h"
#include "tests/unit/net_testing.h"

namespace sluice::testing {

// A listening socket that serves as an upstream; the test accepts and answers.
class TestUpstream {
 public:
  std::string uri() const { return "ws://" + sys::local_address(listener_.get()).text(); }
  int listener() const { return listener_.get(); }
  // The next connection to it.
  Descriptor accept() const {
    sys::wait_readable(listener_.get(), patience_ms);
    Address peer;
    return Descriptor(sys::accept(listener_.get(), peer));
  }

 private:
  Descriptor listener_ = listening_socket(loopback());
};

// An address where nobody listens.
inline std::string nobody_uri() {
  const Descriptor bound = bound_socket(loopback());
  return "ws://" + sys::local_address(bound.get()).text();
}

inline std::unique_ptr<Config> config_of(const std::string& conf) {
  MemoryInputs inputs;
  inputs.files["/sluice.conf"] = conf;
  inputs.files["/hs256.key"] = "0123456789abcdef0123456789abcdef";  // jwt_testing.h's
  ConfOutcome outcome = load_conf("/sluice.conf", ConfOptions(), inputs);
  for (const ConfError& error : outcome.errors) FAIL_CHECK(error.text());
  REQUIRE(outcome.config != nullptr);
  return std::move(outcome.config);
}

class TestWorker final : public EventHandler {
 public:
  // The conf's lines behind `listen`, which no test's client passes through, and before it.
  explicit TestWorker(const std::string& conf, const std::string& top = "")
      : config_(config_of(top + "listen 127.0.0.1:1\n" + conf).release()),
        context{.reactor = reactor,
                .handler = reactor.attach(*this),
                .sessions = sessions,
                .transits = transits,
                .log = log,
                .row = row,
                .labels = labels.rows(),
                .upstreams = upstreams,
                .config = config_,
                .id_prefix = "0-test-",
                .stalled = {}} {
    REQUIRE(reactor.open().ok());
    prepare_frame_codec();
    for (const UpstreamConfig& upstream : config_->upstreams) upstreams.add(upstream, 0);
  }
  ~TestWorker() override {
    sessions.for_each([](Handle, Session& session) {
      session.end_now({EndKind::shutdown, "end"});
    });
    sessions.sweep();
    context.upstream_pool.close_all();
    CHECK(transits.lent() == 0);
    CHECK(buffers.lent() == 0);
    CHECK(reactor.armed_timers() == 0);
  }

  // A session for a client; its end is returned. `handle` finds the session.
  Descriptor accept(Handle& handle, const Refusal* refused = nullptr) {
    Pair pair = tcp_pair();
    handle = sessions.create(context, sys::local_address(pair.far.get()), 0u);
    sessions.get(handle)->start(pair.near.release(), refused);
    return std::move(pair.far);
  }

  // Turns until `done()`, with the clock as it runs.
  template <class Done>
  bool turn_until(Done done) {
    const uint64_t begun = sys::monotonic_ms();
    while (!done()) {
      if (sys::monotonic_ms() - begun > static_cast<uint64_t>(patience_ms)) return false;
      reactor.turn(10);
    }
    return true;
  }
  // Turns until so many bytes have come to that end; returns them.
  std::string await(const Descriptor& end, size_t bytes) {
    std::string all;
    CHECK(turn_until([&] {
      all += recv_text(end.get());
      return all.size() >= bytes;
    }));
    return all;
  }

  const Config& config() const { return *config_; }
  const RouteConfig& route() const { return config_->routes[0]; }

  void on_ready(Handle handle, unsigned leg, Readiness ready) override {
    const bool rival = leg == rival_leg;
    if (rival && on_rival) on_rival(ready);
    if (watched_ != nullptr && !rival) watched_[leg]->note(ready);
    Session* const session = sessions.get(handle);
    if (session == nullptr) return;
    if (rival) return session->on_rival_ready(ready);
    session->on_ready(static_cast<Side>(leg), ready);
  }
  void on_timer(Handle handle, unsigned) override {
    ++timers_expired;
    if (timer_ != nullptr) timer_->expired();
    if (Session* session = sessions.get(handle)) session->on_timer();
  }
  void on_run(Handle handle) override {
    if (Session* session = sessions.get(handle)) session->on_run();
  }
  void on_turn_end() override { sessions.sweep(); }
  // Legs and timer without a session: the test's own.
  void serve(Leg** legs, OneTimer* timer) {
    watched_ = legs;
    timer_ = timer;
  }

 private:
  ConfigRef config_;
  Leg** watched_ = nullptr;
  OneTimer* timer_ = nullptr;

 public:
  Reactor reactor;
  Pool<Session> sessions;
  BufferPool buffers{256 * 1024};
  TransitPool transits{buffers};
  Log log;
  WorkerRow row;
  FewLabelRows labels;
  UpstreamTable upstreams;
  WorkerContext context;
  int timers_expired = 0;
  std::function<void(Readiness)> on_rival;  // of a Dial that the test itself has
};

// What a session would lend, without a session: a client's leg over a pair, and an upstream's.
class Lent {
 public:
  explicit Lent(TestWorker& worker) : worker_(worker) {
    worker.serve(legs_, &timer_);
    REQUIRE(context.open(Side::client, pair_.near.release()));
    upstream_.detach();
    worker.reactor.turn(0);
  }
  ~Lent() {
    client_.close(worker_.reactor, End::orderly);
    upstream_.close(worker_.reactor, End::orderly);
    timer_.cancel(worker_.reactor);
    worker_.serve(nullptr, nullptr);
  }

  const Descriptor& client_end() const { return pair_.far; }
  Descriptor& client_end() { return pair_.far; }

 private:
  TestWorker& worker_;
  Pair pair_ = tcp_pair();
  ClientAddress address_{sys::local_address(pair_.far.get())};
  Leg client_;
  Leg upstream_;
  Leg* legs_[2] = {&client_, &upstream_};
  OneTimer timer_;

 public:
  SessionContext context{.worker = worker_.context,
                         .config = worker_.config(),
                         .listener = worker_.config().listeners[0],
                         .client_address = address_,
                         .client = client_,
                         .upstream = upstream_,
                         .timer = timer_,
                         .self = Handle{},
                         .id = 7,
                         .opened_ms = 0};
};

}  // namespace sluice::testing
