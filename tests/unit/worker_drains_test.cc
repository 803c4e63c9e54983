// WorkerDrains: whose sessions an order ends, who gets none any more, and what the worker's row
// says.
#include "core/process/worker_drains.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/unit/relaying_testing.h"

namespace sluice {
namespace {

using testing::RelayedSession;
using testing::RelayingWorker;

DrainOrder order_of(uint32_t number, Part part, uint64_t window_ms = 0) {
  DrainOrder order;
  order.number = number;
  order.place = static_cast<uint8_t>(number - 1);
  order.part = std::move(part);
  order.window_ms = window_ms;
  order.code = CloseCode::service_restart;
  return order;
}

struct Fixture {
  RelayingWorker relaying;
  WorkerDrains drains{relaying.worker.context};
  std::vector<RelayedSession> a = relaying.relay_many(3);
  std::vector<RelayedSession> b = relaying.relay_many(2, "/b");

  UpstreamId upstream(size_t place) { return relaying.worker.config().upstreams[place].id; }
  std::string uri(size_t place) {
    return "ws://" + relaying.worker.config().upstreams[place].peers[0].uri.authority;
  }
  bool come_to(size_t of_a, size_t of_b) {
    return relaying.worker.turn_until(
        [&] { return relaying.relaying(a) == of_a && relaying.relaying(b) == of_b; });
  }
  uint64_t ended(EndKind kind) {
    return relaying.worker.row.ended[static_cast<size_t>(kind)].value();
  }
  void use(const std::vector<DrainOrder>& orders) { drains.use(orders); }
  // What a client is told that asks for that path.
  std::string asked(const std::string& path) {
    Handle handle;
    const testing::Descriptor client = relaying.worker.accept(handle);
    testing::send_text(client.get(), RelayingWorker::request(path));
    return relaying.worker.await(client, 12).substr(0, 12);
  }
};

TEST_CASE("worker drains: an order ends the sessions of its part alone, by its code") {
  for (const auto kind : {Part::Kind::upstream, Part::Kind::server, Part::Kind::route}) {
    CAPTURE(static_cast<int>(kind));
    Fixture f;
    Part part{kind, f.upstream(0), ListenerId{}, ""};
    if (kind == Part::Kind::route) part.text = "/";
    if (kind == Part::Kind::server) part.text = f.uri(0);
    f.use({order_of(1, part)});
    CHECK(f.come_to(0, 2));
    CHECK(f.relaying.worker.await(f.a[0].client, 4) == "\x88\x02\x03\xf4");
    for (RelayedSession& each : f.a) {
      each.client.close();
      each.peer.close();
    }
    CHECK(f.relaying.worker.turn_until([&] { return f.relaying.worker.sessions.live() == 2; }));
    CHECK(f.ended(EndKind::drain) == 3);
    CHECK(f.asked("/") == "HTTP/1.1 503");
    f.use({});
    CHECK(f.relaying.worker.row.drains[0].number.value() == 0);
    const RelayedSession after = f.relaying.relay("/");
    CHECK(f.relaying.state(after) == Session::State::relaying);
  }
}

TEST_CASE("worker drains: all who share the board are told which peers are drained") {
  Fixture f;
  const auto told = [&f](size_t place) {
    const PeerId id = f.relaying.worker.config().upstreams[place].peers[0].id;
    return f.relaying.worker.upstreams.peers().board().health(id).draining.load();
  };
  for (const auto kind : {Part::Kind::upstream, Part::Kind::server, Part::Kind::everything}) {
    CAPTURE(static_cast<int>(kind));
    Part part{kind, f.upstream(0), ListenerId{}, ""};
    if (kind == Part::Kind::server) part.text = f.uri(0);
    f.use({order_of(1, part, 3'600'000)});
    CHECK(told(0));
    CHECK(told(1) == (kind == Part::Kind::everything));
    f.use({});
    CHECK_FALSE(told(0));
    CHECK_FALSE(told(1));
  }
}

TEST_CASE("worker drains: a listener's sessions go") {
  Fixture f;
  f.use({order_of(1, {Part::Kind::listener, UpstreamId{}, ListenerId{9}, ""})});
  for (int i = 0; i < 5; ++i) f.relaying.worker.reactor.turn(10);
  CHECK(f.come_to(3, 2));
  const ListenerId own = f.relaying.worker.config().listeners[0].id;
  f.use({order_of(2, {Part::Kind::listener, UpstreamId{}, own, ""})});
  CHECK(f.come_to(0, 0));
  CHECK(f.relaying.worker.context.drained.refusal(own) != nullptr);
  CHECK(f.relaying.worker.context.drained.refusal(ListenerId{9}) == nullptr);
}

TEST_CASE("worker drains: everybody goes when the worker ends, late ones too") {
  Fixture f;
  f.drains.drain_all(0, CloseCode::going_away);
  f.drains.drain_all(1'000'000, CloseCode::normal);  // changes nothing
  CHECK(f.come_to(0, 0));
  const RelayedSession late = f.relaying.relay("/");
  const size_t missing = 4 - late.early.size();
  CHECK(late.early + f.relaying.worker.await(late.client, missing) == "\x88\x02\x03\xe9");
  for (RelayedSession& each : f.a) {
    each.client.close();
    each.peer.close();
  }
  CHECK(f.relaying.worker.turn_until([&] { return f.ended(EndKind::shutdown) == 3; }));
}

TEST_CASE("worker drains: several windows run beside each other, and the row says who is left") {
  Fixture f;
  const Part first{Part::Kind::upstream, f.upstream(0), ListenerId{}, ""};
  const Part second{Part::Kind::route, UpstreamId{}, ListenerId{}, "/b"};
  f.use({order_of(1, first, 3'600'000), order_of(2, second, Drain::endless)});
  const auto left = [&](size_t place) { return f.relaying.worker.row.drains[place].left.value(); };
  CHECK(f.relaying.worker.turn_until([&] { return left(0) == 3 && left(1) == 2; }));
  CHECK(f.relaying.worker.row.drains[0].number.value() == 1);
  CHECK(f.come_to(3, 2));
  // Another window for the first one; the second one goes on as it is.
  f.use({order_of(3, first), order_of(2, second, Drain::endless)});
  CHECK(f.come_to(0, 2));
  CHECK(f.relaying.worker.row.drains[0].number.value() == 0);
  CHECK(f.relaying.worker.row.drains[2].number.value() == 3);
}

TEST_CASE("worker drains: taken back in the midst of a window, the rest stay") {
  Fixture f;
  f.use({order_of(1, {Part::Kind::route, UpstreamId{}, ListenerId{}, "/"}, 3'600'000)});
  for (int i = 0; i < 3; ++i) f.relaying.worker.reactor.turn(10);
  f.use({});
  CHECK(f.come_to(3, 2));
  CHECK(f.relaying.worker.turn_until([&] { return f.relaying.worker.timers_expired == 0; }));
}

TEST_CASE("worker drains: sessions of peers that are gone end with 1012, and then it is over") {
  Fixture f;
  const PeerId peer = f.relaying.worker.config().upstreams[0].peers[0].id;
  f.relaying.worker.upstreams.peers().at(peer).gone = f.drains.next_wave();
  f.drains.drain_gone(0);
  f.relaying.worker.reactor.turn(0);
  CHECK(f.come_to(3, 2));
  f.drains.drain_gone(1);
  CHECK(f.come_to(0, 2));
}

TEST_CASE("worker drains: who goes later does not put off the end of who went first") {
  Fixture f;
  const auto goes = [&f](size_t upstream) {
    const PeerId peer = f.relaying.worker.config().upstreams[upstream].peers[0].id;
    f.relaying.worker.upstreams.peers().at(peer).gone = f.drains.next_wave();
  };
  goes(0);
  f.drains.drain_gone(1);
  goes(1);
  f.drains.drain_gone(3'600'000);
  CHECK(f.come_to(0, 2));
  // Their window begins when the first one is over.
  f.relaying.worker.reactor.turn(10);
  CHECK(f.come_to(0, 2));
}

TEST_CASE("worker drains: a drained server is passed over, one more of the same name is dialled") {
  RelayingWorker relaying("upstream c\nserver ws://127.0.0.1:1\nserver ws://127.0.0.1:2\n");
  WorkerDrains drains(relaying.worker.context);
  const UpstreamConfig& c = relaying.worker.config().upstreams[0];
  REQUIRE(c.name == "c");
  const std::vector<DrainOrder> orders{
      order_of(1, {Part::Kind::server, c.id, ListenerId{}, "ws://127.0.0.1:1"})};
  drains.use(orders);
  PeerTable& peers = relaying.worker.upstreams.peers();
  CHECK(peers.at(c.peers[0].id).drain == 1);
  CHECK(peers.at(c.peers[1].id).drain == 0);
  Upstream& upstream = relaying.worker.upstreams.at(c.id);
  PeerWalk walk = upstream.begin({});
  CHECK(upstream.next(walk) == c.peers[1].id);
  CHECK_FALSE(upstream.has_next(walk));
  // Another conf's upstream in its place is marked when that is adopted.
  UpstreamConfig next = c;
  std::swap(next.peers[0], next.peers[1]);
  relaying.worker.upstreams.add(next, 0);
  drains.mark_peers();
  CHECK(peers.at(c.peers[0].id).drain == 1);
  drains.use({});
  CHECK(peers.at(c.peers[0].id).drain == 0);
}

}  // namespace
}  // namespace sluice
