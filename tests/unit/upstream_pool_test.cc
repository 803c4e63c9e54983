// UpstreamPool: which connections are kept, who gets them, and when they end.
#include "core/session/upstream_pool.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/unit/worker_testing.h"
#include "tls/client.h"

namespace sluice {
namespace {

constexpr uint32_t long_ms = 60'000;

bool ended(const testing::Descriptor& far) {
  char byte = 0;
  return sys::recv(far.get(), &byte, 1) == 0;
}

// Connections of peer 0, whose other ends the test has.
struct Pooling {
  Pooling() { leg.detach(); }
  ~Pooling() { leg.close(worker.reactor, End::orderly); }

  testing::Descriptor keep(const UpstreamPool::Terms& terms) {
    testing::Pair pair = testing::tcp_pair();
    CHECK(leg.open(worker.reactor, pair.near.release(), watch).ok());
    pool.keep(leg, terms);
    CHECK(!leg.is_open());
    return std::move(pair.far);
  }
  testing::Descriptor keep(uint32_t most = 2, uint32_t for_ms = long_ms) {
    return keep({.peer = peer, .most = most, .for_ms = for_ms});
  }
  bool take(std::span<const Address> from = {}) {
    return pool.take(peer, nullptr, from, leg, watch);
  }
  // What the connection that was taken leads to.
  bool leads_to(const testing::Descriptor& far) {
    const char byte = 'x';
    const iovec piece{const_cast<char*>(&byte), 1};
    CHECK(leg.send({&piece, 1}).bytes == 1);
    leg.close(worker.reactor, End::orderly);
    return testing::recv_text(far.get()) == "x";
  }

  testing::TestWorker worker{"upstream up\nserver ws://127.0.0.1:1\nroute /\nproxy_pass up\n"};
  UpstreamPool& pool = worker.context.upstream_pool;
  const PeerId peer = worker.config().upstreams[0].peers[0].id;
  Leg leg;
  const Watch watch{worker.context.handler, Handle{}, index_of(Side::upstream)};
};

TEST_CASE("upstream pool: the latest connection is taken first, and each once") {
  Pooling p;
  CHECK(!p.take());
  const testing::Descriptor first = p.keep();
  const testing::Descriptor second = p.keep();
  CHECK(p.pool.size() == 2);
  p.worker.reactor.turn(0);
  CHECK(p.take());
  CHECK(p.leads_to(second));
  CHECK(p.take());
  CHECK(p.leads_to(first));
  CHECK(!p.take());
  CHECK(p.pool.size() == 0);
}

TEST_CASE("upstream pool: beyond the most of a peer the oldest one goes") {
  Pooling p;
  const testing::Descriptor first = p.keep();
  const testing::Descriptor second = p.keep();
  const testing::Descriptor third = p.keep();
  CHECK(p.pool.size() == 2);
  CHECK(ended(first));
  CHECK(!ended(second));
  CHECK(!ended(third));
}

TEST_CASE("upstream pool: one whose peer ends it or says anything is nobody's") {
  Pooling p;
  testing::Descriptor ends = p.keep();
  const testing::Descriptor talks = p.keep();
  ends.close();
  CHECK(sys::send(talks.get(), "HTTP/1.1 408 Request Timeout\r\n\r\n", 31) == 31);
  CHECK(p.worker.turn_until([&] { return p.pool.size() == 0; }));
  CHECK(!p.take());
  // What was not read of it ends the connection by a RST.
  char byte = 0;
  CHECK(sys::recv(talks.get(), &byte, 1) == -ECONNRESET);
}

TEST_CASE("upstream pool: one that may hold unread bytes is looked at before it is taken") {
  Pooling p;
  testing::Pair pair = testing::tcp_pair();
  CHECK(p.leg.open(p.worker.reactor, pair.near.release(), p.watch).ok());
  p.leg.assume_readable();
  p.pool.keep(p.leg, {.peer = p.peer, .most = 1, .for_ms = long_ms});
  CHECK(p.take());
}

TEST_CASE("upstream pool: what a peer said since this turn's events is seen as well") {
  Pooling p;
  const testing::Descriptor silent = p.keep();
  const testing::Descriptor talks = p.keep();
  p.worker.reactor.turn(0);
  CHECK(sys::send(talks.get(), "surplus", 7) == 7);
  CHECK(p.take());
  CHECK(p.leads_to(silent));
  CHECK(!p.take());
  CHECK(p.pool.size() == 0);
}

TEST_CASE("upstream pool: each goes when its own time is over, the others stay") {
  Pooling p;
  const testing::Descriptor stays = p.keep(9);
  const testing::Descriptor goes = p.keep(9, 20);
  CHECK(p.worker.turn_until([&] { return p.pool.size() == 1; }));
  CHECK(ended(goes));
  CHECK(p.take());
  CHECK(p.leads_to(stays));
}

TEST_CASE("upstream pool: TLS settings and addresses of ours must be those that are wanted") {
  Pooling p;
  TlsStore store;
  const TlsClientRef secured = TlsClient::find_or_make({}, store).value();
  const testing::Descriptor plain = p.keep();
  CHECK(!p.pool.take(p.peer, secured, {}, p.leg, p.watch));
  const testing::Descriptor bound =
      p.keep({.peer = p.peer, .bound = true, .most = 2, .for_ms = long_ms});
  p.worker.reactor.turn(0);
  const std::vector<Address> ours = {Address::parse("127.0.0.1:0").value()};
  const std::vector<Address> others = {Address::parse("127.0.0.2:0").value()};
  CHECK(!p.take(others));
  CHECK(p.take(ours));
  CHECK(p.leads_to(bound));
  CHECK(!p.take(ours));
  CHECK(p.take());
  CHECK(p.leads_to(plain));
}

TEST_CASE("upstream pool: it is a user of its peers, and no session of theirs") {
  Pooling p;
  PeerTable& peers = p.worker.upstreams.peers();
  const testing::Descriptor far = p.keep();
  CHECK(peers.board().active(p.peer) == 0);
  p.worker.upstreams.keep_only([](UpstreamId) { return false; });
  CHECK(peers.size() == 1);
  p.pool.close_all();
  CHECK(peers.size() == 0);
  CHECK(ended(far));
  CHECK(!p.pool.timer_armed());
}

}  // namespace
}  // namespace sluice
