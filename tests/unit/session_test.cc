// Session: its phases, from accept to close, and what it counts.
#include "core/session/session.h"

#include <doctest/doctest.h>

#include <string>

#include "core/session/admission.h"
#include "tests/unit/worker_testing.h"

namespace sluice {
namespace {

using State = Session::State;

const std::string upgrade =
    "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const std::string accepted =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const std::string masked_hello = "\x81\x85\1\2\3\4igohn";  // "hello" under the key 1 2 3 4
const std::string hello = "\x81\x05hello";
const std::string masked_close = std::string("\x88\x82\0\0\0\0", 6) + "\x03\xe8";
const std::string close_normal = "\x88\x02\x03\xe8";
const std::string close_away = "\x88\x02\x03\xe9";

struct Living {
  explicit Living(const std::string& of_route = "", const std::string& of_listen = "")
      : worker(of_listen + "route /\nproxy_pass " + upstream.uri() + "\n" + of_route) {}

  Session* session() { return worker.sessions.get(handle); }
  bool gone() {
    return worker.turn_until([this] { return session() == nullptr; });
  }
  // The client's bytes are taken, and the session is in that state.
  bool reaches(State state) {
    return worker.turn_until([&] { return session() != nullptr && session()->state() == state; });
  }
  void relay() {
    client = worker.accept(handle);
    testing::send_text(client.get(), upgrade);
    REQUIRE(reaches(State::exchanging));
    peer = upstream.accept();
    std::string request;
    REQUIRE(worker.turn_until([&] {
      request += testing::recv_text(peer.get());
      return request.ends_with("\r\n\r\n");
    }));
    testing::send_text(peer.get(), accepted);
    REQUIRE(worker.await(client, accepted.size()) == accepted);
    REQUIRE(session()->state() == State::relaying);
  }
  uint64_t ended_by(EndKind kind) const {
    return worker.row.ended[static_cast<size_t>(kind)].value();
  }

  testing::TestUpstream upstream;
  testing::TestWorker worker;
  Handle handle;
  testing::Descriptor client;
  testing::Descriptor peer;
};

TEST_CASE("session: a silent client costs no exchange, and is closed at client_header_timeout") {
  Living l("", "client_header_timeout 50ms\n");
  l.client = l.worker.accept(l.handle);
  l.worker.reactor.turn(10);
  CHECK(l.session()->state() == State::accepted);
  CHECK(l.gone());
  CHECK(l.worker.timers_expired == 1);
  CHECK(l.worker.row.refused.value() == 0);
}

TEST_CASE("session: the first byte begins the exchange") {
  Living l;
  l.client = l.worker.accept(l.handle);
  testing::send_text(l.client.get(), "G");
  CHECK(l.reaches(State::exchanging));
}

TEST_CASE("session: frames travel both ways as they came, are counted, and a Close ends it") {
  Living l;
  l.relay();
  testing::send_text(l.client.get(), masked_hello);
  CHECK(l.worker.await(l.peer, masked_hello.size()) == masked_hello);
  testing::send_text(l.peer.get(), hello);
  CHECK(l.worker.await(l.client, hello.size()) == hello);
  CHECK(l.worker.row.relayed.value() == 1);
  CHECK(l.worker.row.from_client.bytes.value() == masked_hello.size());
  CHECK(l.worker.row.from_client.messages.value() == 1);
  CHECK(l.worker.row.from_upstream.bytes.value() == hello.size());
  CHECK(l.worker.transits.lent() == 0);

  testing::send_text(l.client.get(), masked_close);
  CHECK(l.worker.await(l.peer, masked_close.size()) == masked_close);
  CHECK(l.session()->state() == State::closing);
  testing::send_text(l.peer.get(), close_normal);
  CHECK(l.worker.await(l.client, close_normal.size()) == close_normal);
  l.peer.close();
  l.client.close();
  CHECK(l.gone());
  CHECK(l.ended_by(EndKind::peer_close) == 1);
  CHECK(l.worker.row.ended_in_all() == 1);
  CHECK(l.worker.context.relaying == 0);
}

TEST_CASE("session: what came early, behind the handshake, is counted like the rest") {
  Living l;
  l.client = l.worker.accept(l.handle);
  testing::send_text(l.client.get(), upgrade + masked_hello);
  REQUIRE(l.reaches(State::exchanging));
  l.peer = l.upstream.accept();
  std::string request;
  REQUIRE(l.worker.turn_until([&] {
    request += testing::recv_text(l.peer.get());
    return request.ends_with("\r\n\r\n");
  }));
  testing::send_text(l.peer.get(), accepted + hello);
  CHECK(l.worker.await(l.client, accepted.size() + hello.size()) == accepted + hello);
  CHECK(l.worker.await(l.peer, masked_hello.size()) == masked_hello);
  CHECK(l.worker.row.from_client.bytes.value() == masked_hello.size());
  CHECK(l.worker.row.from_client.messages.value() == 1);
  CHECK(l.worker.row.from_upstream.bytes.value() == hello.size());
  CHECK(l.worker.row.from_upstream.messages.value() == 1);
}

TEST_CASE("session: one who may have no session gets its answer at once, and lingers") {
  Living l;
  l.client = l.worker.accept(l.handle, Admission(0).refusal(1, 0));
  CHECK(l.session()->state() == State::lingering);
  CHECK(l.worker.context.lingering_now == 1);
  CHECK(l.worker.await(l.client, 12).starts_with("HTTP/1.1 503"));
  l.client.close();
  CHECK(l.gone());
  CHECK(l.worker.context.lingering_now == 0);
}

TEST_CASE("session: a worker that leaves sends Close 1001 both ways") {
  Living l;
  l.relay();
  l.session()->leave(CloseCode::going_away);
  CHECK(l.worker.await(l.client, close_away.size()) == close_away);
  CHECK(l.worker.await(l.peer, 8).size() == 8);  // masked
  l.client.close();
  l.peer.close();
  CHECK(l.gone());
  CHECK(l.ended_by(EndKind::shutdown) == 1);
}

TEST_CASE("session: a frame that breaks the protocol, a lost peer, and silence are told apart") {
  Living broken;
  broken.relay();
  testing::send_text(broken.client.get(), hello);  // unmasked
  CHECK(broken.worker.await(broken.client, 4).substr(2, 2) == "\x03\xea");
  broken.client.close();
  broken.peer.close();
  CHECK(broken.gone());
  CHECK(broken.ended_by(EndKind::protocol_error) == 1);

  Living lost;
  lost.relay();
  sys::set_abort_on_close(lost.client.get());
  lost.client.close();
  CHECK(lost.reaches(State::closing));
  lost.peer.close();
  CHECK(lost.gone());
  CHECK(lost.ended_by(EndKind::connection_lost) == 1);

  Living idle("idle_timeout 50ms\n");
  idle.relay();
  CHECK(idle.worker.await(idle.client, close_away.size()) == close_away);
  idle.client.close();
  idle.peer.close();
  CHECK(idle.gone());
  CHECK(idle.ended_by(EndKind::idle_timeout) == 1);
}

}  // namespace
}  // namespace sluice
