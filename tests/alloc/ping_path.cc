// Both peers answer each ping at once.
#include "tests/alloc/ping_path.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "core/session/session.h"
#include "net/check.h"
#include "net/pool.h"
#include "net/timers.h"
#include "protocol/frames.h"
#include "tests/alloc/counted_calls.h"
#include "tests/alloc/ends.h"
#include "tests/alloc/failing_malloc.h"
#include "tests/alloc/living_worker.h"

namespace sluice::alloc {

namespace {

constexpr size_t payload_bytes = own_ping_bytes;
constexpr int64_t plain_bytes = 256;   // of an idle session with everything off
constexpr int64_t pinged_bytes = 320;  // with pings to both sides
constexpr int64_t heap_grain = 16;     // every block is a multiple of it
constexpr int slack = 4;               // pings that came due beyond those that were waited for

struct Pings {
  int64_t to_client = 0;
  int64_t to_server = 0;

  int64_t both() const { return to_client + to_server; }
};

// One ping, whole, and its pong. A client's pong is masked by zeros.
void answer(int fd, bool client) {
  const size_t key_bytes = client ? 0 : 4;  // of the ping: upstreams get masked frames
  std::string ping(2 + key_bytes + payload_bytes, '\0');
  const auto bytes = static_cast<ssize_t>(ping.size());
  SLUICE_CHECK(::recv(fd, ping.data(), ping.size(), MSG_WAITALL) == bytes);
  SLUICE_CHECK(ping[0] == '\x89');
  std::string payload = ping.substr(2 + key_bytes);
  for (size_t i = 0; i < payload.size() && !client; ++i) {
    payload[i] = static_cast<char>(payload[i] ^ ping[2 + i % 4]);
  }
  std::string pong = "\x8a";
  pong += static_cast<char>(payload_bytes | (client ? 0x80u : 0u));
  if (client) pong += std::string(4, '\0');
  send_all(fd, pong + payload);
}

Pings answer_pings(const Pair& pair, int64_t count) {
  Pings pings;
  while (pings.to_client < count || pings.to_server < count) {
    pollfd ready[] = {{pair.client, POLLIN, 0}, {pair.server, POLLIN, 0}};
    SLUICE_CHECK(::poll(ready, 2, 10'000) > 0);
    if (ready[0].revents != 0) {
      answer(pair.client, true);
      ++pings.to_client;
    }
    if (ready[1].revents != 0) {
      answer(pair.server, false);
      ++pings.to_server;
    }
  }
  return pings;
}

// A ping may still be under way to either end.
void close_pinged(const Pair& pair) {
  ::close(pair.client);
  char bytes[64];
  while (::recv(pair.server, bytes, sizeof bytes, 0) > 0) {
  }
  ::close(pair.server);
}

bool about(int64_t seen, int64_t wanted) {
  return std::abs(seen - wanted) <= slack;
}

// The bytes of one of the things that make() makes, which lie in a Slab.
template <class Make>
int64_t slab_bytes_each(Make make) {
  int64_t each = 0;
  std::thread([&] {
    failing_malloc::count_this_thread();
    int64_t grown = 0, since = 0, before = failing_malloc::mapped_bytes();
    while (grown < 3) {  // the first chunk may hold other things, too
      make();
      const int64_t now = failing_malloc::mapped_bytes();
      if (now != before && ++grown == 3) each = (now - before) / since;
      since = now != before ? 1 : since + 1;
      before = now;
    }
  }).join();
  return each;
}

// A place for a session, as a worker's pool has them.
struct Place {
  alignas(Session) char bytes[sizeof(Session)];
};

int64_t slab_bytes_of_session() {
  Pool<Place> pool;
  Timers timers(0);
  const int64_t place = slab_bytes_each([&] { pool.create(); });
  return place + slab_bytes_each([&] { timers.arm(1'000, 0); });
}

// Of the heap, of one of so many sessions that have come to rest.
int64_t heap_bytes_of_session(const LivingWorker& worker, int upstream, const std::string& target) {
  constexpr int sessions = 40;
  TlsSessionSlot none;
  int64_t bytes = 0;
  for (int round = 0; round < 2; ++round) {  // the first one fills what lasts
    const int64_t before = failing_malloc::held_bytes();
    std::vector<Pair> pairs;
    for (int i = 0; i < sessions; ++i) {
      pairs.push_back(open_pair(worker.port(), upstream, nullptr, none, target));
    }
    bytes = INT64_MAX;
    for (int look = 0; look < 20; ++look) {  // handshakes hold more, until their sessions rest
      ::usleep(10'000);
      bytes = std::min(bytes, failing_malloc::held_bytes() - before);
    }
    for (const Pair& pair : pairs) close_pair(pair);
    SLUICE_CHECK(worker.wait_until_empty().empty());
  }
  return (bytes / sessions + heap_grain / 2) / heap_grain * heap_grain;
}

class Stage {
 public:
  Stage()
      : upstream_(open_loopback()), worker_(make_config(port_of(upstream_)), [] {
          failing_malloc::count_this_thread();
          counted_calls::count_this_thread();
        }) {
    ::fcntl(upstream_, F_SETFL, 0);
  }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  ~Stage() { ::close(upstream_); }

  int upstream() const { return upstream_; }
  const LivingWorker& worker() const { return worker_; }

 private:
  int upstream_;
  LivingWorker worker_;
};

}  // namespace

int measure_pings() {
  const Stage stage;
  TlsSessionSlot none;
  const Pair pair = open_pair(stage.worker().port(), stage.upstream(), nullptr, none, "/pings");
  answer_pings(pair, 20);
  counted_calls::take();
  const int64_t allocated = failing_malloc::counted();
  const Pings pings = answer_pings(pair, 200);
  const counted_calls::Counts calls = counted_calls::take();
  const int64_t allocations = failing_malloc::counted() - allocated;
  const auto number = [](int64_t value) { return static_cast<long long>(value); };
  std::printf(
      "ping path: %lld pings to the client, %lld to the upstream: %lld recv, %lld send, %lld "
      "epoll_wait, %lld ioctl and getrandom, %lld allocations\n",
      number(pings.to_client), number(pings.to_server), number(calls.recv), number(calls.send),
      number(calls.wait), number(calls.others), number(allocations));
  close_pinged(pair);
  return claim(about(calls.recv, pings.both()), "one recv a ping") +
         claim(about(calls.send, pings.both()), "one send a ping") +
         claim(calls.wait <= 3 * pings.both() + slack, "at most three epoll_wait a ping") +
         claim(about(calls.others, pings.both() + pings.to_server),
               "one ioctl a ping, and one getrandom toward upstreams") +
         claim(calls.splice == 0, "no splice") +
         claim(allocations == 0, "no allocation for a ping");
}

int measure_idle_bytes() {
  const Stage stage;
  const int64_t slabs = slab_bytes_of_session();
  const int64_t plain = heap_bytes_of_session(stage.worker(), stage.upstream(), "/");
  const int64_t pinged = heap_bytes_of_session(stage.worker(), stage.upstream(), "/rare-pings");
  const auto number = [](int64_t value) { return static_cast<long long>(value); };
  std::printf(
      "idle session: %lld bytes with everything off, %lld with pings to both sides; of the heap "
      "%lld and %lld\n",
      number(slabs + plain), number(slabs + pinged), number(plain), number(pinged));
  return claim(slabs + plain <= plain_bytes, "an idle session's bytes with everything off") +
         claim(slabs + pinged <= pinged_bytes, "an idle session's bytes with pings");
}

}  // namespace sluice::alloc
