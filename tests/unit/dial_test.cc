// Dial: which peer is connected to, and what is said where none is.
#include "core/session/dial.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "core/peers/peer_health.h"
#include "tests/unit/worker_testing.h"

namespace sluice {
namespace {

using Step = Dial::Step;

struct Dialling {
  explicit Dialling(const std::string& servers,
                    const std::string& directives = "connect_timeout 1s\n")
      : worker("upstream up\n" + servers + "route /\nproxy_pass up\n" + directives),
        lent(worker),
        dial(lent.context, worker.route()) {
    worker.on_rival = [this](Readiness ready) { dial.note_rival(ready); };
  }

  // Until it is known how the dial ends.
  Step settle() {
    Step step = dial.begin({});
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
  CHECK(!d.dial.may_leave(PeerFault::error));
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
  CHECK(late.dial.begin({}) == Step::wait);
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
  CHECK(d.dial.may_leave(PeerFault::error));
  CHECK(d.dial.leave(PeerFault::status, "answered 503", "an answer") == Step::wait);
  CHECK(d.dial.peer()->name != left);
  CHECK(!d.dial.may_leave(PeerFault::error));
  CHECK(d.worker.turn_until([&] { return d.dial.run() == Step::ready; }));
  CHECK(d.dial.on_timer() == Step::failed);
  // The first failure outranks the timeout: somebody answered.
  CHECK(d.dial.refusal().status == 502);
  CHECK(std::string(d.dial.refusal().reason) == "an answer");
}

TEST_CASE("dial: connect_timeout is armed for each peer, and handshake_timeout once connected") {
  const testing::TestUpstream upstream;
  Dialling d("server " + upstream.uri() + "\n", "connect_timeout 60s\nhandshake_timeout 30ms\n");
  CHECK(d.dial.begin({}) == Step::wait);
  CHECK(d.worker.reactor.armed_timers() == 1);
  CHECK(d.worker.turn_until([&] { return d.dial.run() == Step::ready; }));
  CHECK(d.worker.turn_until([&] { return d.worker.timers_expired == 1; }));
}

TEST_CASE("dial: next_peer_on, next_peer_tries and next_peer_timeout decide who is asked next") {
  const std::string three = "server " + testing::nobody_uri() + "\nserver " +
                            testing::nobody_uri() + "\nserver " + testing::nobody_uri() + "\n";
  struct Row {
    std::string directives;
    uint64_t failures;
  };
  const Row rows[] = {{"", 3},
                      {"next_peer_on off\n", 1},
                      {"next_peer_on timeout\n", 1},
                      {"next_peer_on error\n", 3},
                      {"next_peer_tries 2\n", 2}};
  for (const Row& row : rows) {
    CAPTURE(row.directives);
    Dialling d(three, "connect_timeout 1s\n" + row.directives);
    CHECK(d.settle() == Step::failed);
    CHECK(d.dial.refusal().status == 502);
    PeerBoard& board = d.worker.upstreams.peers().board();
    uint64_t failures = 0;
    for (uint32_t id = 0; id < 3; ++id) failures += board.health(PeerId{id}).failed;
    CHECK(failures == row.failures);
  }
}

TEST_CASE("dial: what leads on after an answer is what next_peer_on names") {
  const testing::TestUpstream first;
  const testing::TestUpstream second;
  const std::string both = "server " + first.uri() + "\nserver " + second.uri() + "\n";
  Dialling d(both, "next_peer_on http_503 invalid_answer\n");
  CHECK(d.settle() == Step::ready);
  CHECK(d.dial.may_leave(PeerFault::status, 503));
  CHECK_FALSE(d.dial.may_leave(PeerFault::status, 502));
  CHECK(d.dial.may_leave(PeerFault::invalid_answer));
  CHECK_FALSE(d.dial.may_leave(PeerFault::error));
  CHECK_FALSE(d.dial.may_leave(PeerFault::timeout));
}

TEST_CASE("dial: sessions count from the first try, and failures put a peer out") {
  const testing::TestUpstream upstream;
  Dialling d("max_fails 1\nserver " + testing::nobody_uri() + "\nserver " + upstream.uri() +
             " backup\n");
  PeerBoard& board = d.worker.upstreams.peers().board();
  CHECK(d.settle() == Step::ready);
  CHECK(board.active(PeerId{0}) == 0);
  CHECK(board.active(PeerId{1}) == 1);
  const uint64_t now = d.worker.reactor.now_ms();
  CHECK(standing_of(board.health(PeerId{0}), now) == Standing::out);
  d.dial.note_answer();
  CHECK(board.health(PeerId{1}).failed == 0);
  // A session that leaves without having found anything out gives its try back.
  board.health(PeerId{0}).out_until_ms = 1;
  {
    Dial probe(d.lent.context, d.worker.route());
    CHECK(probe.begin({}) == Step::wait);
    CHECK(probe.peer()->id == PeerId{0});
    CHECK(board.health(PeerId{0}).probe_until_ms > now);
  }
  CHECK(board.health(PeerId{0}).probe_until_ms == 0);
}

TEST_CASE("dial: all that could be asked are full") {
  const testing::TestUpstream upstream;
  Dialling d("server " + upstream.uri() + " max_connections=1\n");
  CHECK(d.settle() == Step::ready);
  Dial second(d.lent.context, d.worker.route());
  CHECK(second.begin({}) == Step::failed);
  CHECK(second.refusal().status == 503);
  CHECK(std::string(second.refusal().reason) == "max_connections reached");
}

// A peer whose queue of connections is full, so that no more come about.
struct Hanging {
  Hanging() {
    fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof any;
    CHECK(::bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof any) == 0);
    CHECK(::listen(fd, 0) == 0);
    CHECK(::getsockname(fd, reinterpret_cast<sockaddr*>(&any), &size) == 0);
    uri = "ws://127.0.0.1:" + std::to_string(ntohs(any.sin_port));
    for (int& client : clients) {
      client = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
      (void)::connect(client, reinterpret_cast<sockaddr*>(&any), sizeof any);
    }
  }
  Hanging(const Hanging&) = delete;
  Hanging& operator=(const Hanging&) = delete;
  ~Hanging() {
    for (const int client : clients) ::close(client);
    ::close(fd);
  }

  int fd = -1;
  int clients[3] = {-1, -1, -1};
  std::string uri;
};

TEST_CASE("dial: a rival beside a peer that hangs is connected first, and that is a failure of it") {
  const Hanging hanging;
  const testing::TestUpstream upstream;
  Dialling d("server " + hanging.uri + "\nserver " + upstream.uri() + " backup\n",
             "connect_timeout 1h\nhedge_after 20ms\n");
  PeerBoard& board = d.worker.upstreams.peers().board();
  CHECK(d.dial.begin({}) == Step::wait);
  CHECK("ws://" + d.dial.peer()->name == hanging.uri);
  CHECK(d.worker.turn_until([&] { return d.worker.timers_expired == 1; }));
  CHECK(d.dial.on_timer() == Step::wait);
  CHECK(board.active(PeerId{0}) == 1);
  CHECK(board.active(PeerId{1}) == 1);
  Step step = Step::wait;
  CHECK(d.worker.turn_until([&] {
    step = d.dial.run();
    return step != Step::wait;
  }));
  CHECK(step == Step::ready);
  CHECK("ws://" + d.dial.peer()->name == upstream.uri());
  CHECK(d.lent.context.upstream.is_open());
  CHECK(board.active(PeerId{0}) == 0);
  CHECK(board.active(PeerId{1}) == 1);
  CHECK(board.health(PeerId{0}).failed == 1);
  CHECK(board.health(PeerId{0}).latest == PeerFault::timeout);
  CHECK(board.health(PeerId{1}).failed == 0);
  CHECK(d.worker.reactor.armed_timers() == 1);  // handshake_timeout
}

TEST_CASE("dial: where the first one fails its rival goes on in its place") {
  const Hanging hanging;
  const testing::TestUpstream upstream;
  Dialling d("server " + hanging.uri + "\nserver " + upstream.uri() + " backup\n",
             "connect_timeout 40ms\nhedge_after 20ms\n");
  CHECK(d.dial.begin({}) == Step::wait);
  CHECK(d.worker.turn_until([&] { return d.worker.timers_expired == 1; }));
  CHECK(d.dial.on_timer() == Step::wait);
  CHECK(d.worker.turn_until([&] { return d.worker.timers_expired == 2; }));
  CHECK(d.dial.on_timer() == Step::wait);
  CHECK("ws://" + d.dial.peer()->name == upstream.uri());
  CHECK(d.worker.upstreams.peers().board().health(PeerId{0}).failed == 1);
  CHECK(d.worker.turn_until([&] { return d.dial.run() == Step::ready; }));
}

TEST_CASE("dial: next_peer_tries counts rivals") {
  const Hanging hanging;
  const testing::TestUpstream upstream;
  Dialling d("server " + hanging.uri + "\nserver " + upstream.uri() + " backup\n",
             "connect_timeout 60ms\nhedge_after 20ms\nnext_peer_tries 1\n");
  CHECK(d.dial.begin({}) == Step::wait);
  CHECK(d.worker.turn_until([&] { return d.worker.timers_expired == 1; }));
  CHECK(d.dial.on_timer() == Step::wait);
  CHECK(d.worker.upstreams.peers().board().active(PeerId{1}) == 0);
  CHECK(d.worker.turn_until([&] { return d.worker.timers_expired == 2; }));
  CHECK(d.dial.on_timer() == Step::failed);
  CHECK(d.dial.refusal().status == 504);
}

TEST_CASE("dial: the preamble goes out first, to each peer") {
  const testing::TestUpstream upstream;
  testing::TestWorker worker("upstream up\nserver " + testing::nobody_uri() + "\nserver " +
                             upstream.uri() + "\nroute /\nproxy_pass up\n");
  testing::Lent lent(worker);
  Dial dial(lent.context, worker.route(), "PROXY UNKNOWN\r\n");
  Step step = dial.begin({});
  CHECK(worker.turn_until([&] {
    if (step == Step::wait) step = dial.run();
    return step != Step::wait;
  }));
  CHECK(step == Step::ready);
  const testing::Descriptor peer = upstream.accept();
  CHECK(worker.await(peer, 15) == "PROXY UNKNOWN\r\n");
}

TEST_CASE("dial: a preamble that the peer takes in parts") {
  const testing::TestUpstream upstream;
  testing::TestWorker worker("upstream up\nserver " + upstream.uri() +
                             "\nroute /\nproxy_pass up\n");
  testing::Lent lent(worker);
  const std::string large(16 << 20, 'x');  // no kernel holds as much
  Dial dial(lent.context, worker.route(), large);
  CHECK(dial.begin({}) == Step::wait);
  const testing::Descriptor peer = upstream.accept();
  Step step = Step::wait;
  CHECK(worker.turn_until([&] {
    step = dial.run();
    return lent.context.upstream.is_open() && !lent.context.upstream.writable;
  }));
  CHECK(step == Step::wait);
  size_t bytes = 0;
  CHECK(worker.turn_until([&] {
    for (std::string piece = "x"; !piece.empty(); bytes += piece.size()) {
      piece = testing::recv_text(peer.get());
    }
    step = dial.run();
    return bytes == large.size();
  }));
  CHECK(step == Step::ready);
}

TEST_CASE("dial: from addresses of ours, in turn; one that is not ours leaves it to the next") {
  const testing::TestUpstream upstream;
  const auto from = [&](const std::string& addresses, int times) {
    testing::TestWorker worker("upstream up\nserver " + upstream.uri() +
                               "\nroute /\nproxy_pass up\n" + "bind_address " + addresses + "\n");
    std::string all;
    for (int i = 0; i < times; ++i) {
      testing::Lent lent(worker);
      Dial dial(lent.context, worker.route());
      Step step = dial.begin({});
      CHECK(worker.turn_until([&] {
        if (step == Step::wait) step = dial.run();
        return step != Step::wait;
      }));
      if (step == Step::failed) {
        all += "failed ";
        continue;
      }
      all += sys::local_address(lent.context.upstream.fd()).host_text() + " ";
      upstream.accept();
    }
    return all;
  };
  CHECK(from("127.0.0.2 127.0.0.3", 4) == "127.0.0.2 127.0.0.3 127.0.0.2 127.0.0.3 ");
  CHECK(from("192.0.2.99 127.0.0.3", 2) == "127.0.0.3 127.0.0.3 ");
  CHECK(from("192.0.2.99", 1) == "failed ");
  CHECK(from("::1", 1) == "127.0.0.1 ");  // of another family
}

}  // namespace
}  // namespace sluice
