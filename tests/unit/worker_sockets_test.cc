// WorkerSockets: what stays is not touched, what goes is accepted first, what moves is left alone.
#include "core/process/worker_sockets.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "net/connector.h"
#include "net/sys.h"
#include "net/sys_process.h"
#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using testing::Descriptor;

struct Clients final : AcceptSink {
  void on_accept(int fd, const Address&, uint32_t listener) override {
    sys::close(fd);
    from.push_back(listener);
  }
  void on_refuse(int fd, const Address&, uint32_t listener) override {
    sys::close(fd);
    refused.push_back(listener);
  }
  std::vector<uint32_t> from;
  std::vector<uint32_t> refused;
};

struct Fixture {
  Fixture() { REQUIRE(reactor.open().ok()); }
  ~Fixture() { sockets.stop(); }

  // A socket of a listener that both confs get.
  WorkerSocket open(uint32_t id, uint32_t number = 0) {
    Descriptor fd = testing::listening_socket(testing::loopback());
    addresses.push_back(sys::local_address(fd.get()));
    return {ListenerId{id}, number, fd.release()};
  }
  static Config conf(const std::vector<uint32_t>& ids) {
    Config config;
    for (const uint32_t id : ids) config.listeners.emplace_back().id = ListenerId{id};
    return config;
  }
  // A connection that is queued on the n-th socket that was opened.
  void connect(size_t n) {
    const Result<int> fd = start_connect(addresses[n]);
    REQUIRE(fd.ok());
    clients.emplace_back(fd.value());
  }
  void turn() {
    for (int i = 0; i < 3; ++i) reactor.turn(1);
  }

  Reactor reactor;
  Clients sink;
  std::array<SharedRate, 4> rates;
  WorkerSockets sockets{reactor, sink, ListenerRates(rates)};
  std::vector<Address> addresses;
  std::vector<Descriptor> clients;
};

TEST_CASE("worker sockets: they accept for the listener by its id, each descriptor once") {
  Fixture f;
  const Config config = Fixture::conf({3, 8});
  std::vector<WorkerSocket> fresh{f.open(8), f.open(3)};
  const std::vector<WorkerSocket> again = fresh;
  REQUIRE(f.sockets.add(fresh, config).ok());
  CHECK(fresh[0].fd == -1);
  CHECK(f.sockets.has(again[1]));
  f.connect(0);
  f.connect(1);
  f.turn();
  CHECK(f.sink.from == std::vector<uint32_t>{8, 3});
  std::vector<WorkerSocket> copies{again};
  REQUIRE(f.sockets.add(copies, config).ok());
  CHECK(copies[0].fd == again[0].fd);  // not needed: it stays the caller's
  CHECK(f.sockets.size() == 2);
}

TEST_CASE("worker sockets: a listener that goes is emptied first and then refuses") {
  Fixture f;
  std::vector<WorkerSocket> fresh{f.open(1), f.open(2)};
  const std::vector<WorkerSocket> all = fresh;
  REQUIRE(f.sockets.add(fresh, Fixture::conf({1, 2})).ok());
  for (int i = 0; i < 5; ++i) f.connect(0);
  f.sockets.keep(std::span(all).subspan(1), Fixture::conf({2}));
  CHECK(f.sink.from == std::vector<uint32_t>(5, 1));
  CHECK_FALSE(f.sockets.has(all[0]));
  f.connect(0);
  sys::wait_readable(f.clients.back().get(), testing::patience_ms);
  CHECK(sys::take_socket_error(f.clients.back().get()) == ECONNREFUSED);
  f.connect(1);
  f.turn();
  CHECK(f.sink.from.back() == 2);
}

TEST_CASE("worker sockets: what moves to a sibling keeps its queue") {
  Fixture f;
  std::vector<WorkerSocket> fresh{f.open(1, 0), f.open(1, 1)};
  const std::vector<WorkerSocket> all = fresh;
  const Descriptor masters(::dup(all[1].fd));
  REQUIRE(f.sockets.add(fresh, Fixture::conf({1})).ok());
  f.connect(1);
  f.sockets.keep(std::span(all).first(1), Fixture::conf({1}));
  f.turn();
  CHECK(f.sink.from.empty());
  Address client;
  const Descriptor accepted(sys::accept(masters.get(), client));
  CHECK(accepted.get() >= 0);
}

TEST_CASE("worker sockets: each listener has a rate of its own, over all of its sockets") {
  Fixture f;
  Config config = Fixture::conf({1, 2});
  config.listeners[0].handshake_rate = {1, 4};
  std::vector<WorkerSocket> fresh{f.open(1, 0), f.open(1, 1), f.open(2)};
  REQUIRE(f.sockets.add(fresh, config).ok());
  for (int i = 0; i < 6; ++i) {
    for (size_t n = 0; n < 3; ++n) f.connect(n);
  }
  const auto from = [&all = f.sink.from](uint32_t id) {
    return std::count(all.begin(), all.end(), id);
  };
  f.turn();
  CHECK(from(1) == 4);
  CHECK(from(2) == 6);
  Config next = Fixture::conf({1, 2});
  next.listeners[1].handshake_rate = {1, 1};
  f.sockets.limit(next);
  for (int i = 0; i < 3; ++i) f.connect(2);
  f.turn();
  CHECK(from(1) == 12);
  CHECK(from(2) == 7);
  CHECK(f.sink.refused.empty());
  f.sockets.keep(std::span(fresh).first(0), Fixture::conf({1}));
  CHECK(f.sink.refused.size() + f.sink.from.size() == 21);
  CHECK(f.sink.refused.size() >= 1);
}

TEST_CASE("worker sockets: at the end all queues are emptied and all descriptors closed") {
  Fixture f;
  const uint64_t held = sys::held_descriptors();
  std::vector<WorkerSocket> fresh{f.open(1), f.open(2)};
  REQUIRE(f.sockets.add(fresh, Fixture::conf({1, 2})).ok());
  f.connect(1);
  f.sockets.drain_and_close();
  CHECK(f.sink.from == std::vector<uint32_t>{2});
  f.clients.clear();
  CHECK(sys::held_descriptors() == held);
}

}  // namespace
}  // namespace sluice
