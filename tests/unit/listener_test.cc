// Listeners: who may bind where, and that accepting is bounded, pauses without descriptors and
// leaves nobody behind.
#include "net/listener.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "net/connector.h"
#include "net/sys.h"
#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using testing::Descriptor;
using testing::loopback;
using testing::unix_address;

class Sink final : public AcceptSink {
 public:
  void on_listener_lost(uint32_t listener) override { lost.push_back(listener); }
  void on_accept(int fd, const Address& client, uint32_t listener) override {
    accepted.emplace_back(fd);
    last_client = client;
    last_listener = listener;
    if (stop_after == accepted.size()) acceptor->stop();
  }

  std::vector<Descriptor> accepted;
  std::vector<uint32_t> lost;
  Address last_client;
  uint32_t last_listener = 0;
  size_t stop_after = 0;
  Acceptor* acceptor = nullptr;
};

struct Fixture {
  Fixture() {
    REQUIRE(reactor.open().ok());
    sink.acceptor = &acceptor;
    Result<int> opened = open_listener(loopback(), false);
    REQUIRE(opened.ok());
    listener = Descriptor(opened.value());
    REQUIRE(acceptor.add(listener.get(), 7, false).ok());
  }
  ~Fixture() { acceptor.stop(); }

  void connect(int count) {
    for (int i = 0; i < count; ++i) clients.push_back(testing::client_of(listener.get()));
  }
  size_t accepted() const { return sink.accepted.size(); }

  Reactor reactor;
  Sink sink;
  Acceptor acceptor{reactor, sink};
  Descriptor listener;
  std::vector<Descriptor> clients;
};

// While it lives, not one more descriptor can be opened.
class NoDescriptors {
 public:
  NoDescriptors() {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    const Descriptor lowest_free(::dup(0));
    rlimit none = before_;
    none.rlim_cur = static_cast<rlim_t>(lowest_free.get());
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_CASE("listener: a second bind and a probe say that the address is in use") {
  Result<int> first = open_listener(loopback(), true);
  REQUIRE(first.ok());
  Descriptor holder(first.value());
  const Address taken = sys::local_address(holder.get());
  CHECK(taken.port() != 0);

  const Result<int> second = open_listener(taken, false);
  REQUIRE_FALSE(second.ok());
  CHECK(second.fault().error == EADDRINUSE);
  const Status probe = probe_address(taken);
  REQUIRE_FALSE(probe.ok());
  CHECK(probe.fault().error == EADDRINUSE);

  // SO_REUSEPORT joins silently: the reason for the probe.
  Result<int> joined = open_listener(taken, true);
  REQUIRE(joined.ok());
  sys::close(joined.value());
  holder.close();
  CHECK(probe_address(taken).ok());
}

TEST_CASE("listener: v6 leaves the port of v4 alone") {
  const Result<Address> any6 = Address::parse("[::]:0");
  bool both = false;
  // Of v4 somebody else on this machine may have that port just now; of many not each.
  for (int tries = 0; tries < 50 && !both; ++tries) {
    Result<int> six = open_listener(any6.value(), false);
    if (!six.ok()) return;  // a kernel without IPv6
    const Descriptor holder(six.value());
    const uint16_t port = sys::local_address(holder.get()).port();
    Result<int> four = open_listener(Address::from_ip("0.0.0.0", port).value(), false);
    both = four.ok();
    if (both) sys::close(four.value());
  }
  CHECK(both);
}

TEST_CASE("listener: the socket file of a dead process is replaced, that of a living one is not") {
  const testing::TemporaryFolder folder;
  const Address address = unix_address(folder.file("x.sock"));
  CHECK(probe_address(address).ok());
  Result<int> first = open_listener(address, false);
  REQUIRE(first.ok());
  Descriptor holder(first.value());
  CHECK(probe_address(address).fault().error == EADDRINUSE);
  CHECK(open_listener(address, false).fault().error == EADDRINUSE);

  holder.close();  // the file stays
  CHECK(std::filesystem::exists(folder.file("x.sock")));
  CHECK(probe_address(address).ok());
  Result<int> second = open_listener(address, false);
  REQUIRE(second.ok());
  holder = Descriptor(second.value());
  CHECK(start_connect(address).ok());
}

TEST_CASE("listener: a file that is no socket is not replaced") {
  const testing::TemporaryFolder folder;
  const std::string path = folder.file("precious");
  REQUIRE(sys::write_whole_file(path.c_str(), "content") == 0);
  const Result<int> opened = open_listener(unix_address(path), false);
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.fault().error == EADDRINUSE);
  CHECK(std::filesystem::file_size(path) == 7);
}

TEST_CASE("listener: a unix listener whose backlog is full is a living one") {
  const testing::TemporaryFolder folder;
  const Address address = unix_address(folder.file("full.sock"));
  Result<int> listener = open_listener(address, false, {}, /*backlog=*/1);
  REQUIRE(listener.ok());
  const Descriptor holder(listener.value());
  std::vector<Descriptor> clients;
  for (Result<int> one = start_connect(address); one.ok(); one = start_connect(address)) {
    clients.emplace_back(one.value());
    REQUIRE(clients.size() < 100);
  }
  CHECK(clients.size() <= 2);  // the kernel takes one more than asked for
  CHECK(probe_address(address).fault().error == EADDRINUSE);
  CHECK_FALSE(open_listener(address, false).ok());
  CHECK(std::filesystem::exists(folder.file("full.sock")));
}

TEST_CASE("acceptor: a connection is handed over with its address and listener") {
  Fixture f;
  f.connect(1);
  f.reactor.turn(testing::patience_ms);
  REQUIRE(f.accepted() == 1);
  CHECK(f.sink.last_client == sys::local_address(f.clients[0].get()));
  CHECK(f.sink.last_listener == 7);
  CHECK(f.acceptor.pauses() == 0);
  CHECK(f.reactor.run_queue_length() == 0);
}

TEST_CASE("acceptor: sixty-four a turn, and the rest without a new edge") {
  Fixture f;
  f.connect(150);
  f.reactor.turn(testing::patience_ms);
  CHECK(f.accepted() == 64);
  f.reactor.turn(testing::patience_ms);
  CHECK(f.accepted() == 128);
  f.reactor.turn(testing::patience_ms);
  CHECK(f.accepted() == 150);
  CHECK(f.reactor.run_queue_length() == 0);
}

TEST_CASE("acceptor: new edges do not add to what a turn accepts") {
  Fixture f;
  f.connect(64 * 4);
  f.reactor.turn(testing::patience_ms);
  for (size_t turn = 2; turn <= 4; ++turn) {
    f.connect(3);
    f.reactor.turn(testing::patience_ms);
    CHECK(f.accepted() == 64 * turn);
    CHECK(f.reactor.run_queue_length() == 1);
  }
  f.reactor.turn(testing::patience_ms);
  CHECK(f.accepted() == 64 * 4 + 9);
}

TEST_CASE("acceptor: without descriptors it pauses, sleeps, and goes on by itself") {
  Fixture f;
  f.connect(3);
  f.clients.emplace_back(sys::stream_socket(AF_INET));
  {
    const NoDescriptors none;
    const uint64_t begin_ms = f.reactor.now_ms();
    f.reactor.turn(testing::patience_ms);
    CHECK(f.acceptor.pauses() == 1);
    CHECK(f.acceptor.pause_error() == EMFILE);
    CHECK(f.reactor.armed_timers() == 1);

    // One more edge does not make one more timer.
    sys::connect(f.clients.back().get(), sys::local_address(f.listener.get()));
    f.reactor.turn(0);
    CHECK(f.reactor.armed_timers() == 1);

    int turns = 0;
    while (f.acceptor.pauses() < 2 && turns < 1000) {
      f.reactor.turn(testing::patience_ms);
      ++turns;
    }
    CHECK(f.acceptor.pauses() == 2);
    CHECK(turns <= 5);
    CHECK(f.reactor.now_ms() - begin_ms >= Acceptor::pause_ms);
    CHECK(f.reactor.armed_timers() == 1);
    CHECK(f.accepted() == 0);
  }
  for (int turns = 0; f.accepted() < 4 && turns < 100; ++turns) f.reactor.turn(1000);
  CHECK(f.accepted() == 4);
  CHECK(f.reactor.armed_timers() == 0);

  f.connect(1);  // and edges count again
  f.reactor.turn(testing::patience_ms);
  CHECK(f.accepted() == 5);
}

TEST_CASE("acceptor: a listener that somebody shut down is lost, which is told once") {
  const testing::TemporaryFolder folder;
  for (const Address& address : {loopback(), unix_address(folder.file("x.sock"))}) {
    for (const int how : {SHUT_RD, SHUT_RDWR}) {
      CAPTURE(address.text());
      Fixture f;
      const Descriptor other(open_listener(address, false).value());
      REQUIRE(f.acceptor.add(other.get(), 9, true).ok());
      const Descriptor copy(::dup(other.get()));
      REQUIRE(::shutdown(copy.get(), how) == 0);
      for (int turns = 0; f.sink.lost.empty() && turns < 10; ++turns) {
        f.reactor.turn(testing::patience_ms);
      }
      CHECK(f.sink.lost == std::vector<uint32_t>{9});
      f.connect(1);
      f.reactor.turn(0);
      CHECK(f.sink.lost.size() == 1);
      CHECK(f.accepted() == 0);
      CHECK(f.acceptor.pauses() == 0);
    }
  }
}

TEST_CASE("acceptor: stop leaves the queue, also from within on_accept") {
  Fixture f;
  f.connect(5);
  f.sink.stop_after = 2;
  f.reactor.turn(testing::patience_ms);
  CHECK(f.accepted() == 2);
  f.connect(1);
  f.reactor.turn(0);
  f.acceptor.stop();
  f.acceptor.drain_and_stop();  // has stopped already
  CHECK(f.accepted() == 2);
}

TEST_CASE("acceptor: a stop during a pause ends it") {
  Fixture f;
  f.connect(1);
  {
    const NoDescriptors none;
    f.reactor.turn(testing::patience_ms);
  }
  REQUIRE(f.acceptor.pauses() == 1);
  f.acceptor.stop();
  while (f.reactor.armed_timers() > 0) f.reactor.turn(testing::patience_ms);
  CHECK(f.accepted() == 0);
}

TEST_CASE("acceptor: drain_and_stop takes all that wait, beyond a turn's limit, then nothing") {
  Fixture f;
  f.connect(100);
  f.acceptor.drain_and_stop();
  CHECK(f.accepted() == 100);
  f.connect(1);
  f.reactor.turn(0);
  CHECK(f.accepted() == 100);
  CHECK(f.reactor.run_queue_length() == 0);
}

TEST_CASE("acceptor: what is removed is left alone, and its place serves another") {
  const Descriptor other = testing::listening_socket(loopback());
  Fixture f;
  f.connect(Acceptor::accepts_a_turn + 5);
  f.reactor.turn(testing::patience_ms);  // the rest is put off
  REQUIRE(f.accepted() == Acceptor::accepts_a_turn);
  f.acceptor.remove(f.listener.get());
  REQUIRE(f.acceptor.add(other.get(), 9, false).ok());
  f.reactor.turn(0);  // the run that was put off finds another one in its place
  CHECK(f.accepted() == Acceptor::accepts_a_turn);
  CHECK(f.reactor.run_queue_length() == 0);
  const Descriptor client(start_connect(sys::local_address(other.get())).value());
  f.reactor.turn(testing::patience_ms);
  CHECK(f.accepted() == Acceptor::accepts_a_turn + 1);
  f.acceptor.remove(other.get());
  REQUIRE(f.acceptor.add(f.listener.get(), 7, false).ok());  // its edge comes anew
  for (int i = 0; i < 3; ++i) f.reactor.turn(testing::patience_ms);
  CHECK(f.accepted() == Acceptor::accepts_a_turn + 6);
}

TEST_CASE("acceptor: drain_and_remove takes all that wait on that descriptor alone") {
  const Descriptor other = testing::listening_socket(loopback());
  Fixture f;
  REQUIRE(f.acceptor.add(other.get(), 9, false).ok());
  f.connect(100);
  const Descriptor client(start_connect(sys::local_address(other.get())).value());
  f.acceptor.drain_and_remove(f.listener.get());
  CHECK(f.accepted() == 100);
  f.reactor.turn(testing::patience_ms);
  CHECK(f.accepted() == 101);
}

}  // namespace
}  // namespace sluice
