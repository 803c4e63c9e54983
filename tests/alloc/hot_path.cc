// What a message costs once a session relays: no allocation, and exactly two recv, two send and at
// most four epoll_wait for an echo of up to 64 KiB; of more, no byte of payload is copied. In TLS
// the calls are the same, and what is allocated is OpenSSL's own.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "core/session/direction.h"
#include "net/check.h"
#include "net/reactor.h"
#include "tests/alloc/counted_calls.h"
#include "tests/alloc/ends.h"
#include "tests/alloc/failing_malloc.h"
#include "tests/alloc/living_worker.h"
#include "tests/alloc/ping_path.h"
#include "tests/load/common_tls.h"

namespace sluice::alloc {

namespace {

// An echo in TLS is two records: a buffer each and, while their headers are built, four blocks of
// 40 bytes (OpenSSL 3.0), with some room for other versions.
constexpr int openssl_allocations = 8;

struct Cost {
  counted_calls::Counts calls;
  int64_t allocations = 0;
};

// What the worker does for so many echoes, once a hundred have gone before.
Cost cost_of(const Pair& pair, size_t payload_bytes, int messages) {
  const std::string there = frame(payload_bytes, true);
  const std::string back = frame(payload_bytes, false);
  for (int i = 0; i < 100; ++i) echo(pair, there, back);
  ::usleep(50'000);  // the worker is back in its wait
  counted_calls::take();
  const int64_t allocated = failing_malloc::counted();
  for (int i = 0; i < messages; ++i) echo(pair, there, back);
  ::usleep(50'000);
  const Cost cost{counted_calls::take(), failing_malloc::counted() - allocated};
  const auto number = [](int64_t value) { return static_cast<long long>(value); };
  std::printf(
      "hot path: %d echoes of %zu bytes%s: %lld recv, %lld send, %lld splice, %lld epoll_wait, "
      "%lld "
      "other calls, %lld allocations\n",
      messages, payload_bytes, pair.tls != nullptr ? " in TLS" : "", number(cost.calls.recv),
      number(cost.calls.send), number(cost.calls.splice), number(cost.calls.wait),
      number(cost.calls.others), number(cost.allocations));
  return cost;
}

// So many numbers of 64 bits differ.
template <class Row>
int differing(const Row& before, const Row& after) {
  constexpr size_t numbers = sizeof(Row) / sizeof(uint64_t);
  uint64_t a[numbers], b[numbers];
  std::memcpy(a, &before, sizeof a);
  std::memcpy(b, &after, sizeof b);
  int count = 0;
  for (size_t i = 0; i < numbers; ++i) count += a[i] != b[i];
  return count;
}

// What is added to in shared memory for a message: how much it is, and that it is one of its kind.
int measure_counting(const LivingWorker& worker, const Pair& pair, size_t payload_bytes) {
  const std::string there = frame(payload_bytes, true);
  const std::string back = frame(payload_bytes, false);
  const auto snapshot = [](const auto& from, auto& to) {
    ::usleep(20'000);  // the worker is back in its wait
    std::memcpy(static_cast<void*>(&to), static_cast<const void*>(&from), sizeof to);
  };
  FewLabelRows labels, labels_after;
  WorkerRow row, row_after;
  snapshot(worker.labels(), labels);
  snapshot(worker.row(), row);
  for (int i = 0; i < 100; ++i) echo(pair, there, back);
  snapshot(worker.labels(), labels_after);
  snapshot(worker.row(), row_after);
  return claim(differing(labels, labels_after) == 4, "an echo adds to two counters each way") +
         claim(differing(row, row_after) == 0, "and to none of the worker's");
}

// Returns how many of its claims failed.
int measure(const Pair& pair, size_t payload_bytes, int messages) {
  const auto [calls, allocations] = cost_of(pair, payload_bytes, messages);
  const int most = pair.tls == nullptr ? 0 : openssl_allocations * messages;
  return claim(calls.recv == 2 * messages, "two recv an echo") +
         claim(calls.send == 2 * messages, "two send an echo") +
         claim(calls.wait <= 4 * messages + 2, "at most four epoll_wait an echo") +
         claim(calls.splice + calls.others == 0, calls.last_other.c_str()) +
         claim(allocations <= most, "no allocation but OpenSSL's");
}

// How often payload arrives in parts is the kernel's affair; that none is copied is ours.
int measure_large(const Pair& pair, size_t payload_bytes, int messages) {
  const auto [calls, allocations] = cost_of(pair, payload_bytes, messages);
  return claim(calls.splice >= 4 * messages, "four splice an echo") +
         claim(calls.send == 0, "no send") + claim(calls.others == 0, calls.last_other.c_str()) +
         claim(allocations == 0, "no allocation");
}

// Of a frame that does not go in one short turn; the first part only, so that sending it never
// waits for the worker.
const std::string huge = frame(300'000, true);
constexpr size_t huge_part = 100'000;
constexpr int64_t short_turn = Direction::short_splice_bytes;

void finish_huge(const Pair& busy) {
  send_all(busy.client, huge.substr(huge_part));
  receive(busy.server, huge.size());
}

// Both become ready while the worker is away, the busy one first.
bool light_goes_first(const Pair& busy, const Pair& light) {
  const std::string small = frame(125, true);
  for (int i = 0; i < 10; ++i) echo(busy, frame(100'000, true), frame(100'000, false));
  ::usleep(50'000);  // the worker is back in its wait, which a message of the light one ends
  counted_calls::hold();
  send_all(light.client, small);
  counted_calls::await_held();
  send_all(busy.client, huge.substr(0, huge_part));
  send_all(light.client, small);
  counted_calls::take();
  counted_calls::release();
  receive(light.server, 2 * small.size());
  finish_huge(busy);
  const counted_calls::Counts calls = counted_calls::take();
  return calls.splice_before_send == 0 && calls.first_splice_bytes == short_turn;
}

int measure_order(const Pair& busy, const Pair& light) {
  bool first = false;
  // Where the machine stood still for a moment, the busy one's last turn was a small one.
  for (int i = 0; i < 10 && !first; ++i) first = light_goes_first(busy, light);
  ::usleep(50'000);
  counted_calls::take();
  send_all(busy.client, huge.substr(0, huge_part));
  finish_huge(busy);
  const bool whole = counted_calls::take().first_splice_bytes > short_turn;
  return claim(first, "a busy session lets a light one go first and takes a short turn") +
         claim(whole, "alone it takes a whole one");
}

std::atomic<int> living_ssl{0};

// Before the first of them.
void count_ssl_objects() {
  SSL_get_ex_new_index(
      0, nullptr, [](void*, void*, CRYPTO_EX_DATA*, int, long, void*) { ++living_ssl; }, nullptr,
      [](void*, void*, CRYPTO_EX_DATA*, int, long, void*) { --living_ssl; });
}

// Clients that say nothing cost no TLS; with their first byte they do.
int measure_silence(uint16_t port, int upstream, const TlsClient* client, TlsSessionSlot& session) {
  constexpr int clients = 20;
  const int before = living_ssl;
  int silent[clients];
  for (int& fd : silent) fd = dial(port);
  Pair later = open_pair(port, upstream, client, session);  // by then they were accepted
  int failed = claim(living_ssl == before + 2, "no TLS for a client that says nothing");
  for (const int fd : silent) send_all(fd, "\x16");
  for (int i = 0; i < 200 && living_ssl != before + 2 + clients; ++i) ::usleep(50'000);
  failed += claim(living_ssl == before + 2 + clients, "TLS from the first byte on");
  for (const int fd : silent) ::close(fd);
  SLUICE_CHECK(later.tls->shutdown_write());
  later.tls.reset();
  close_pair(later);
  return failed;
}

// A session that has more to do than one turn takes waits in the reactor's queue. That must not
// cost memory either, not even the first time, which depends on how the kernel cuts what arrives.
int measure_put_off() {
  int64_t allocations = -1;
  std::thread([&allocations] {
    failing_malloc::count_this_thread();
    Reactor reactor;
    const int64_t before = failing_malloc::counted();
    for (uint32_t i = 0; i < Reactor::expected_runs; ++i) reactor.enqueue(0, Handle{i, 1});
    allocations = failing_malloc::counted() - before;
  }).join();
  return claim(allocations == 0, "no allocation for a run that is put off");
}

int run(std::unique_ptr<TlsServer> server, const TlsClient* client) {
  const int upstream = open_loopback();
  ::fcntl(upstream, F_SETFL, 0);
  LivingWorker worker(make_config(port_of(upstream), std::move(server)), [] {
    failing_malloc::count_this_thread();
    counted_calls::count_this_thread();
  });
  TlsSessionSlot session;
  Pair pair = open_pair(worker.port(), upstream, client, session);
  int failed = measure(pair, 16, 10'000);
  failed += measure(pair, 125, 10'000);
  failed += measure(pair, 4'000, 2'000);
  for (const size_t bytes : {size_t{125}, size_t{4'000}}) {
    failed += measure_counting(worker, pair, bytes);
  }
  if (pair.tls == nullptr) {
    failed += measure_large(pair, 100'000, 500);
    const Pair light = open_pair(worker.port(), upstream, nullptr, session);
    failed += measure_order(pair, light);
    close_pair(light);
  }
  if (pair.tls != nullptr) {
    failed += measure_silence(worker.port(), upstream, client, session);
    SLUICE_CHECK(pair.tls->shutdown_write());
  }
  pair.tls.reset();
  close_pair(pair);
  ::close(upstream);
  return failed;
}

int run_in_tls() {
  char folder[] = "/tmp/sluice-hot-path.XXXXXX";
  SLUICE_CHECK(::mkdtemp(folder) != nullptr);
  const std::string base = folder;
  const std::string command =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "
      "/CN=a "
      "-addext subjectAltName=IP:127.0.0.1 -out " +
      base + "/pem -keyout " + base + "/key 2>/dev/null";
  SLUICE_CHECK(std::system(command.c_str()) == 0);
  auto server = load::make_tls_server(base + "/pem", base + "/key", /*http2=*/false);
  const auto client = load::make_tls_client(base + "/pem", false);
  SLUICE_CHECK(std::system(("rm -r " + base).c_str()) == 0);
  return run(std::move(server), client.get());
}

}  // namespace

}  // namespace sluice::alloc

int main() {
  sluice::alloc::count_ssl_objects();
  const int failed = sluice::alloc::measure_put_off() + sluice::alloc::run(nullptr, nullptr) +
                     sluice::alloc::run_in_tls() + sluice::alloc::measure_pings() +
                     sluice::alloc::measure_idle_bytes();
  return failed == 0 ? 0 : 1;
}
