// Poller: each edge is reported once, the next one again, and each kind of end as what it is. Two
// filters of one descriptor may come as two events (kqueue), so events are merged by cookie.
#include "net/poller.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "net/sys.h"
#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using testing::Descriptor;
using testing::Pair;
using testing::send_text;
using testing::tcp_pair;
using testing::unix_pair;

constexpr uint64_t cookie = 0xfedcba9876543210;

struct Fixture {
  Fixture() { REQUIRE(poller.open().ok()); }

  // What is reported now, without waiting.
  std::map<uint64_t, Readiness> look() {
    std::map<uint64_t, Readiness> seen;
    gather(seen, 0);
    return seen;
  }
  // Everything reported of `which` until it is `enough`.
  Readiness wait_for(uint64_t which, const std::function<bool(Readiness)>& enough) {
    std::map<uint64_t, Readiness> seen;
    const uint64_t end_ns = sys::monotonic_ns() + uint64_t{testing::patience_ms} * 1'000'000;
    while (!enough(seen[which]) && sys::monotonic_ns() < end_ns) gather(seen, 100);
    CHECK(enough(seen[which]));
    return seen[which];
  }
  void watch(int fd) {
    REQUIRE(poller.add(fd, cookie).ok());
    wait_for(cookie, [](Readiness ready) { return ready.writable; });
  }

  Poller poller;

 private:
  void gather(std::map<uint64_t, Readiness>& seen, int timeout_ms) {
    std::vector<PollEvent> events(Poller::max_events);
    const size_t count = poller.wait(events, timeout_ms);
    for (size_t i = 0; i < count; ++i) {
      Readiness& sum = seen[events[i].cookie];
      const Readiness& one = events[i].ready;
      sum.readable = sum.readable || one.readable;
      sum.writable = sum.writable || one.writable;
      sum.ended = sum.ended || one.ended;
      sum.hung_up = sum.hung_up || one.hung_up;
      sum.failed = sum.failed || one.failed;
      sum.urgent = sum.urgent || one.urgent;
    }
  }
};

bool readable(Readiness ready) {
  return ready.readable;
}

TEST_CASE("poller: a fresh descriptor is writable and not readable, told once") {
  Fixture f;
  const Pair pair = unix_pair();
  REQUIRE(f.poller.add(pair.near.get(), cookie).ok());
  const Readiness ready = f.wait_for(cookie, [](Readiness r) { return r.writable; });
  CHECK_FALSE(ready.readable);
  CHECK(ready.short_means_drained());
  CHECK(f.look().empty());
}

TEST_CASE("poller: an edge is told once, and the next data is a new edge") {
  Fixture f;
  const Pair pair = tcp_pair();
  f.watch(pair.near.get());
  send_text(pair.far.get(), "one");
  const Readiness ready = f.wait_for(cookie, readable);
  CHECK(ready.short_means_drained());
  CHECK(f.look().empty());  // although nothing was read
  send_text(pair.far.get(), "two");
  f.wait_for(cookie, readable);
  CHECK(f.look().empty());
  CHECK(testing::recv_text(pair.near.get()) == "onetwo");
  CHECK(f.look().empty());
  send_text(pair.far.get(), "three");
  f.wait_for(cookie, readable);
}

TEST_CASE("poller: room after a full buffer is an edge") {
  Fixture f;
  const Pair pair = unix_pair();
  f.watch(pair.near.get());
  const std::string block(64 * 1024, 'w');
  while (sys::send(pair.near.get(), block.data(), block.size()) > 0) {
  }
  CHECK(f.look().empty());
  std::string drained(block.size(), '\0');
  while (sys::recv(pair.far.get(), drained.data(), drained.size()) > 0) {
  }
  f.wait_for(cookie, [](Readiness ready) { return ready.writable; });
}

TEST_CASE("poller: FIN with data waiting is readable and ended at once") {
  Fixture f;
  const Pair pair = tcp_pair();
  f.watch(pair.near.get());
  send_text(pair.far.get(), "last words");
  sys::shutdown_write(pair.far.get());
  const Readiness ready = f.wait_for(cookie, [](Readiness r) { return r.ended; });
  CHECK(ready.readable);
  CHECK_FALSE(ready.failed);
  CHECK_FALSE(ready.hung_up);
  CHECK_FALSE(ready.short_means_drained());
  CHECK(testing::recv_text(pair.near.get()) == "last words");
  CHECK(testing::recv_text(pair.near.get()).empty());
}

TEST_CASE("poller: FIN alone is an edge, too") {
  Fixture f;
  const Pair pair = tcp_pair();
  f.watch(pair.near.get());
  send_text(pair.far.get(), "x");
  f.wait_for(cookie, readable);
  sys::shutdown_write(pair.far.get());
  const Readiness ready = f.wait_for(cookie, [](Readiness r) { return r.ended; });
  CHECK(ready.readable);
}

TEST_CASE("poller: RST is a failure") {
  Fixture f;
  Pair pair = tcp_pair();
  f.watch(pair.near.get());
  sys::set_abort_on_close(pair.far.get());
  pair.far.close();
  const Readiness ready = f.wait_for(cookie, [](Readiness r) { return r.failed; });
  CHECK(ready.readable);
  CHECK(ready.writable);
  CHECK(ready.hung_up);
  CHECK_FALSE(ready.short_means_drained());
  CHECK(sys::take_socket_error(pair.near.get()) == ECONNRESET);
}

TEST_CASE("poller: a unix peer that is gone has hung up") {
  Fixture f;
  Pair pair = unix_pair();
  f.watch(pair.near.get());
  pair.far.close();
  const Readiness ready = f.wait_for(cookie, [](Readiness r) { return r.hung_up && r.ended; });
  CHECK(ready.readable);
  CHECK_FALSE(ready.short_means_drained());
}

TEST_CASE("poller: short_means_drained is forbidden by each of four reports") {
  Readiness ready;
  ready.readable = ready.writable = true;
  CHECK(ready.short_means_drained());
  Readiness ended = ready;
  ended.ended = true;
  CHECK_FALSE(ended.short_means_drained());
  Readiness hung_up = ready;
  hung_up.hung_up = true;
  CHECK_FALSE(hung_up.short_means_drained());
  Readiness failed = ready;
  failed.failed = true;
  CHECK_FALSE(failed.short_means_drained());
  Readiness urgent = ready;
  urgent.urgent = true;
  CHECK_FALSE(urgent.short_means_drained());
}

#ifndef SLUICE_POLLER_KQUEUE  // kqueue does not tell urgent data apart
TEST_CASE("poller: urgent data shortens a read, so it is told") {
  Fixture f;
  const Pair pair = tcp_pair();
  f.watch(pair.near.get());
  send_text(pair.far.get(), "before");
  REQUIRE(::send(pair.far.get(), "!", 1, MSG_OOB | MSG_NOSIGNAL) == 1);
  send_text(pair.far.get(), "after");
  const Readiness ready = f.wait_for(cookie, [](Readiness r) { return r.urgent; });
  CHECK(ready.readable);
  CHECK_FALSE(ready.short_means_drained());
  // Short, and yet not drained: the reason for the rule.
  CHECK(testing::recv_text(pair.near.get()) == "before");
  CHECK(testing::recv_text(pair.near.get()) == "after");
}
#endif

TEST_CASE("poller: a removed descriptor stays silent although a duplicate keeps it open") {
  Fixture f;
  Pair pair = tcp_pair();
  f.watch(pair.near.get());
  const Descriptor duplicate(::dup(pair.near.get()));
  f.poller.remove(pair.near.get());
  pair.near.close();
  send_text(pair.far.get(), "still arrives");
  sys::wait_readable(duplicate.get(), testing::patience_ms);
  CHECK(sys::unread_bytes(duplicate.get()) == 13);
  CHECK(f.look().empty());
  sys::shutdown_write(pair.far.get());
  CHECK(f.look().empty());
}

TEST_CASE("poller: a child that leaves the queue to its parent takes nothing from it") {
  Fixture f;
  const Pair pair = unix_pair();
  f.watch(pair.near.get());
  const int status = testing::run_in_child([&f, &pair] {
    f.poller.leave_to_parent();
    Poller own;
    const bool opened = own.open().ok() && own.add(pair.near.get(), cookie + 1).ok();
    return opened && f.poller.descriptor() < 0 ? 0 : 1;
  });
  CHECK(sys::exit_status(status) == 0);
  send_text(pair.far.get(), "x");
  f.wait_for(cookie, readable);
}

TEST_CASE("poller: a removed descriptor may be added again, and tells its state anew") {
  Fixture f;
  const Pair pair = unix_pair();
  f.watch(pair.near.get());
  send_text(pair.far.get(), "x");
  f.wait_for(cookie, readable);
  f.poller.remove(pair.near.get());
  REQUIRE(f.poller.add(pair.near.get(), cookie + 1).ok());
  f.wait_for(cookie + 1, [](Readiness ready) { return ready.readable && ready.writable; });
}

TEST_CASE("poller: a renamed descriptor tells its state anew by its new name alone") {
  Fixture f;
  const Pair pair = unix_pair();
  f.watch(pair.near.get());
  send_text(pair.far.get(), "x");
  f.wait_for(cookie, readable);
  REQUIRE(f.poller.rename(pair.near.get(), cookie + 1).ok());
  f.wait_for(cookie + 1, [](Readiness ready) { return ready.readable && ready.writable; });
  send_text(pair.far.get(), "y");
  f.wait_for(cookie + 1, readable);
  f.poller.remove(pair.near.get());
}

TEST_CASE("poller: a descriptor that is none is a fault") {
  Fixture f;
  const Status added = f.poller.add(-1, cookie);
  REQUIRE_FALSE(added.ok());
  CHECK(added.fault().error == EBADF);
  CHECK_FALSE(f.poller.add_listener(-1, cookie, false).ok());
}

TEST_CASE("poller: a listener tells each connection as an edge, and never writable") {
  Fixture f;
  const Descriptor listener = testing::listening_socket(testing::loopback());
  REQUIRE(f.poller.add_listener(listener.get(), cookie, false).ok());
  CHECK(f.look().empty());
  const Descriptor one = testing::client_of(listener.get());
  CHECK_FALSE(f.wait_for(cookie, readable).writable);
  CHECK(f.look().empty());
  const Descriptor two = testing::client_of(listener.get());
  f.wait_for(cookie, readable);
  f.poller.remove(listener.get());
  const Descriptor three = testing::client_of(listener.get());
  CHECK(f.look().empty());
}

TEST_CASE("poller: a listener that is shared wakes one of those who wait") {
  Fixture f;
  const testing::TemporaryFolder folder;
  const Descriptor listener =
      testing::listening_socket(testing::unix_address(folder.file("shared.sock")));
  REQUIRE(f.poller.add_listener(listener.get(), cookie, true).ok());
  const Descriptor client = testing::client_of(listener.get());
  f.wait_for(cookie, readable);
  f.poller.remove(listener.get());
}

TEST_CASE("poller: what does not fit into one wait is reported by the next") {
  Fixture f;
  std::vector<Pair> pairs;
  for (uint64_t i = 0; i < 10; ++i) {
    pairs.push_back(unix_pair());
    REQUIRE(f.poller.add(pairs.back().near.get(), i).ok());
  }
  std::map<uint64_t, int> told;
  PollEvent events[3];
  size_t waits = 0;
  for (size_t count = 3; count > 0; ++waits) {
    count = f.poller.wait(events, 0);
    REQUIRE(count <= 3);
    for (size_t i = 0; i < count; ++i) ++told[events[i].cookie];
  }
  CHECK(waits == 5);
  CHECK(told.size() == 10);
  for (const auto& [which, times] : told) CHECK(times == 1);
}

TEST_CASE("poller: a signal ends the wait without an event") {
  Fixture f;
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) {};
  REQUIRE(::sigaction(SIGALRM, &action, &before) == 0);
  // Again and again: a single one might come before the wait begins.
  const itimerval often{{0, 10'000}, {0, 10'000}};
  REQUIRE(::setitimer(ITIMER_REAL, &often, nullptr) == 0);
  PollEvent events[1];
  CHECK(f.poller.wait(events, -1) == 0);
  const itimerval never{};
  ::setitimer(ITIMER_REAL, &never, nullptr);
  ::sigaction(SIGALRM, &before, nullptr);
}

}  // namespace
}  // namespace sluice
