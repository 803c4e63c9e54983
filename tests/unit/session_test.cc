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

TEST_CASE("session: what a list of sessions says of one") {
  Living l;
  l.relay();
  CHECK(l.session()->number() == 1);
  CHECK(l.session()->client().host_text() == "127.0.0.1");
  CHECK(l.session()->route()->path == "/");
  CHECK(l.session()->peer() == PeerId{0});
  CHECK(&l.session()->listener() == &l.worker.config().listeners[0]);
  testing::send_text(l.client.get(), masked_hello);
  CHECK(l.worker.await(l.peer, masked_hello.size()) == masked_hello);
  const SessionRecord record = l.session()->record();
  CHECK(record.from_client.messages == 1);
  CHECK(record.from_client.bytes == masked_hello.size());
  CHECK(l.session()->queued_bytes(Side::client) == 0);
  CHECK(l.worker.turn_until([&] { return l.session()->idle_ms() > 0; }));
}

TEST_CASE("session: frames travel both ways as they came, are counted, and a Close ends it") {
  Living l;
  l.relay();
  testing::send_text(l.client.get(), masked_hello);
  CHECK(l.worker.await(l.peer, masked_hello.size()) == masked_hello);
  testing::send_text(l.peer.get(), hello);
  CHECK(l.worker.await(l.client, hello.size()) == hello);
  CHECK(l.worker.row.relayed.value() == 1);
  const RouteRow& route = l.worker.labels.routes[LabelRows::first_route];
  CHECK(route.from_client.received() == masked_hello.size());
  CHECK(route.from_client.frames.messages() == 1);
  CHECK(route.from_upstream.received() == hello.size());
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
  CHECK(route.opened.value() == 1);
  CHECK(route.active() == 0);
  const auto client = static_cast<size_t>(Party::client);
  CHECK(route.closed[client][static_cast<size_t>(EndKind::peer_close)].value() == 1);
  for (const auto& of_side : route.close_codes) CHECK(of_side[close_place(1000)].value() == 1);
  CHECK(l.worker.row.sessions_ms.count() == 1);
  CHECK(l.worker.row.handshakes_ms.count() == 1);
  CHECK(l.worker.row.connects_ms.count() == 1);
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
  const RouteRow& route = l.worker.labels.routes[LabelRows::first_route];
  CHECK(route.from_client.received() == masked_hello.size());
  CHECK(route.from_client.frames.messages() == 1);
  CHECK(route.from_upstream.received() == hello.size());
  CHECK(route.from_upstream.frames.messages() == 1);
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
  l.session()->leave(CloseCode::going_away, {EndKind::shutdown, "shutting down"}, Boundary::frame);
  CHECK(l.worker.await(l.client, close_away.size()) == close_away);
  CHECK(l.worker.await(l.peer, 8).size() == 8);  // masked
  l.client.close();
  l.peer.close();
  CHECK(l.gone());
  CHECK(l.ended_by(EndKind::shutdown) == 1);
}

constexpr EndCause drained{EndKind::drain, "drain"};

TEST_CASE(
    "session: leave at a message's boundary tells the client, and the upstream hears of it by "
    "the client's Close, behind all that it sent") {
  Living l;
  l.relay();
  testing::send_text(l.peer.get(), "\x01\x03one");
  CHECK(l.worker.await(l.client, 5) == "\x01\x03one");
  l.session()->leave(CloseCode::going_away, drained, Boundary::message);
  testing::send_text(l.client.get(), masked_hello);
  CHECK(l.worker.await(l.peer, masked_hello.size()) == masked_hello);
  CHECK(testing::recv_text(l.client.get()).empty());
  testing::send_text(l.peer.get(), "\x80\x03two" + hello);
  CHECK(l.worker.await(l.client, 5 + close_away.size()) == "\x80\x03two" + close_away);
  const std::string answer = std::string("\x88\x82\0\0\0\0", 6) + "\x03\xe9";
  testing::send_text(l.client.get(), masked_hello + answer);
  CHECK(l.worker.await(l.peer, masked_hello.size() + answer.size()) == masked_hello + answer);
  l.client.close();
  l.peer.close();
  CHECK(l.gone());
  CHECK(l.ended_by(EndKind::drain) == 1);
}

TEST_CASE(
    "session: a client that does not answer is ended after close_timeout, and the upstream "
    "gets the Close") {
  Living l("close_timeout 100ms\n");
  l.relay();
  l.session()->leave(CloseCode::service_restart, drained, Boundary::message);
  CHECK(l.worker.await(l.client, 4) == "\x88\x02\x03\xf4");
  const std::string told = l.worker.await(l.peer, 8);
  REQUIRE(told.size() == 8);
  CHECK((static_cast<uint8_t>(told[6] ^ told[2]) << 8 | static_cast<uint8_t>(told[7] ^ told[3])) ==
        1012);
  CHECK(l.session() != nullptr);
  l.peer.close();
  CHECK(l.gone());
  CHECK(l.ended_by(EndKind::drain) == 1);
}

TEST_CASE("session: a message that moves is not cut by a leave, however slow") {
  Living l("close_timeout 60ms\n");
  l.relay();
  testing::send_text(l.peer.get(),
                     "\x81\x08"
                     "1");
  CHECK(l.worker.await(l.client, 3) ==
        "\x81\x08"
        "1");
  l.session()->leave(CloseCode::going_away, drained, Boundary::message);
  std::string heard;
  for (const char* rest = "2345678"; *rest != 0; ++rest) {
    const uint64_t begun = sys::monotonic_ms();
    CHECK(l.worker.turn_until([&] { return sys::monotonic_ms() > begun + 30; }));
    testing::send_text(l.peer.get(), std::string(1, *rest));
    heard += l.worker.await(l.client, 1);
  }
  heard += heard.ends_with(close_away) ? "" : l.worker.await(l.client, 4);
  CHECK(heard == "2345678" + close_away);
}

// What a Close toward the upstream says: its code in two bytes, then its reason.
std::string unmasked_close(std::string frame) {
  for (size_t i = 6; i < frame.size(); ++i)
    frame[i] = static_cast<char>(frame[i] ^ frame[2 + (i - 6) % 4]);
  return frame.size() < 6 ? "" : frame.substr(6);
}

constexpr EndCause by_command{EndKind::command, "closed by an operator"};

TEST_CASE("session: the reason of a leave stands in the Close behind the message under way") {
  Living l;
  l.relay();
  testing::send_text(l.peer.get(), "\x01\x03one");
  CHECK(l.worker.await(l.client, 5) == "\x01\x03one");
  CHECK(l.worker.context.close_reasons.size() == 0);
  l.session()->leave(CloseCode::service_restart, by_command, Boundary::message,
                     std::string("en") + "ough");
  CHECK(l.worker.context.close_reasons.size() == 1);
  testing::send_text(l.peer.get(), "\x80\x03two");
  CHECK(l.worker.await(l.client, 5 + 10) ==
        "\x80\x03two\x88\x08\x03\xf4"
        "enough");
  l.client.close();
  CHECK(unmasked_close(l.worker.await(l.peer, 14)) ==
        "\x03\xf4"
        "enough");
  l.peer.close();
  CHECK(l.gone());
  CHECK(l.worker.context.close_reasons.size() == 0);
}

TEST_CASE("session: who stays silent has the upstream told the same reason, and TERM adds none") {
  Living l("close_timeout 100ms\n");
  l.relay();
  l.session()->leave(CloseCode::service_restart, by_command, Boundary::message, "enough");
  CHECK(l.worker.await(l.client, 10) ==
        "\x88\x08\x03\xf4"
        "enough");
  CHECK(unmasked_close(l.worker.await(l.peer, 14)) ==
        "\x03\xf4"
        "enough");
  l.peer.close();
  CHECK(l.gone());

  Living ended;
  ended.relay();
  ended.session()->leave(CloseCode::service_restart, by_command, Boundary::message, "enough");
  ended.session()->leave(CloseCode::going_away, drained, Boundary::frame);
  CHECK(ended.worker.await(ended.client, 10) ==
        "\x88\x08\x03\xf4"
        "enough");
  CHECK(unmasked_close(ended.worker.await(ended.peer, 8)) == "\x03\xe9");
}

TEST_CASE("session: while its target takes nothing a rate wakes nobody") {
  Living l("upstream_message_rate 1000/s burst=1\nsend_timeout 10s\n");
  l.relay();
  const std::string large = std::string("\x82\x7e\x27\x10", 4) + std::string(10'000, 'x');
  std::string sent;
  const uint64_t begun = sys::monotonic_ms();
  CHECK(l.worker.turn_until([&] {
    for (int i = 0; i < 4; ++i) {
      if (sent.empty()) sent = large;
      const ssize_t took = sys::send(l.peer.get(), sent.data(), sent.size());
      if (took > 0) sent.erase(0, static_cast<size_t>(took));
    }
    return sys::monotonic_ms() > begun + 1'500;
  }));
  const int before = static_cast<int>(l.worker.timers_expired);
  const uint64_t stalled = sys::monotonic_ms();
  CHECK(l.worker.turn_until([&] { return sys::monotonic_ms() > stalled + 300; }));
  CHECK(static_cast<int>(l.worker.timers_expired) - before <= 3);
}

TEST_CASE("session: a client that hangs up on our Close is no loss to the upstream") {
  Living l;
  l.relay();
  l.session()->leave(CloseCode::going_away, drained, Boundary::message);
  CHECK(l.worker.await(l.client, 4) == close_away);
  l.client.close();
  CHECK(l.worker.await(l.peer, 8).size() == 8);
  l.peer.close();
  CHECK(l.gone());
}

TEST_CASE("session: a handshake under way is left alone by a leave at a boundary, not by TERM") {
  Living l;
  l.client = l.worker.accept(l.handle);
  testing::send_text(l.client.get(), "G");
  REQUIRE(l.reaches(State::exchanging));
  l.session()->leave(CloseCode::going_away, drained, Boundary::message);
  CHECK(l.session()->state() == State::exchanging);
  l.session()->leave(CloseCode::going_away, drained, Boundary::frame);
  CHECK(l.gone());
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

TEST_CASE(
    "session: a silent client is pinged, its pong goes no further, and the line knows the time") {
  Living l("client_ping_interval 30ms\nclient_ping_timeout 5s\n");
  l.relay();
  const std::string ping = l.worker.await(l.client, 10);
  REQUIRE(ping.size() == 10);
  CHECK(ping.substr(0, 2) == "\x89\x08");
  CHECK(l.worker.row.pings_to_client.value() == 1);
  std::string pong = std::string("\x8a\x88\0\0\0\0", 6) + ping.substr(2);
  testing::send_text(l.client.get(), pong + masked_hello);
  CHECK(l.worker.await(l.peer, masked_hello.size()) == masked_hello);
  CHECK(l.worker.row.client_round_trips.count() == 1);
  const RouteRow& route = l.worker.labels.routes[LabelRows::first_route];
  CHECK(route.from_client.received() == masked_hello.size());
}

TEST_CASE("session: a silent upstream is pinged in a mask, and lost where it does not answer") {
  Living l("upstream_ping_interval 30ms\nupstream_ping_timeout 60ms\n");
  l.relay();
  const std::string ping = l.worker.await(l.peer, 14);
  REQUIRE(ping.size() == 14);
  CHECK(ping.substr(0, 2) == "\x89\x88");
  CHECK(l.reaches(State::closing));
  l.client.close();
  CHECK(l.gone());
  CHECK(l.ended_by(EndKind::ping_timeout) == 1);
}

TEST_CASE("session: within a message toward it no peer is pinged") {
  Living l("client_ping_interval 30ms\n");
  l.relay();
  testing::send_text(l.peer.get(), "\x01\x03one");
  CHECK(l.worker.await(l.client, 5) == "\x01\x03one");
  const uint64_t begun = sys::monotonic_ms();
  CHECK(l.worker.turn_until([&] { return sys::monotonic_ms() > begun + 200; }));
  CHECK(l.worker.row.pings_to_client.value() == 0);
  testing::send_text(l.peer.get(), "\x80\x03two");
  CHECK(l.worker.await(l.client, 15).substr(0, 7) == "\x80\x03two\x89\x08");
}

TEST_CASE("session: pings and pongs of ours are no activity, the peers' own are") {
  Living l("client_ping_interval 20ms\nidle_timeout 300ms\nidle_code 1012\n");
  l.relay();
  const uint64_t begun = sys::monotonic_ms();
  std::string heard;
  CHECK(l.worker.turn_until([&] {
    const std::string more = testing::recv_text(l.client.get());
    if (more.size() == 10) {
      testing::send_text(l.client.get(), std::string("\x8a\x88\0\0\0\0", 6) + more.substr(2));
    }
    heard += more;
    return l.session() == nullptr || l.session()->state() != State::relaying;
  }));
  CHECK(sys::monotonic_ms() - begun >= 290);
  CHECK(heard.ends_with("\x88\x02\x03\xf4"));
  CHECK(l.worker.row.pings_to_client.value() > 1);
}

TEST_CASE("session: one that is too old takes leave of its client") {
  Living l("max_session_age 80ms jitter=0%\n");
  l.relay();
  CHECK(l.worker.await(l.client, 4) == close_away);
  l.client.close();
  CHECK(l.worker.await(l.peer, 8).size() == 8);
  l.peer.close();
  CHECK(l.gone());
  CHECK(l.ended_by(EndKind::session_age) == 1);
}

TEST_CASE("session: messages over their rate wait, or end the session") {
  Living waits("client_message_rate 50/s burst=2\n");
  waits.relay();
  std::string four;
  for (int i = 0; i < 4; ++i) four += masked_hello;
  testing::send_text(waits.client.get(), four);
  CHECK(waits.worker.await(waits.peer, 2 * masked_hello.size()).size() == 2 * masked_hello.size());
  CHECK(waits.worker.await(waits.peer, 2 * masked_hello.size()).size() == 2 * masked_hello.size());
  CHECK(waits.session()->state() == State::relaying);

  Living ends("client_message_rate 50/s burst=2\non_rate close\n");
  ends.relay();
  testing::send_text(ends.client.get(), four);
  CHECK(ends.worker.await(ends.client, 4) == "\x88\x02\x03\xf0");
  CHECK(ends.worker.await(ends.peer, 2 * masked_hello.size()).size() == 2 * masked_hello.size());
  ends.client.close();
  ends.peer.close();
  CHECK(ends.gone());
  CHECK(ends.ended_by(EndKind::rate) == 1);
}

TEST_CASE("session: bytes over their rate wait, or end the session") {
  Living waits("upstream_byte_rate 100/s burst=10\n");
  waits.relay();
  testing::send_text(waits.peer.get(), hello + hello);
  CHECK(waits.worker.await(waits.client, 14) == hello + hello);
  CHECK(waits.session()->state() == State::relaying);

  Living ends("upstream_byte_rate 1/s burst=14\non_rate close\n");
  ends.relay();
  testing::send_text(ends.peer.get(), hello + hello);
  CHECK(ends.worker.await(ends.client, 14) == hello + hello);
  CHECK(ends.session()->state() == State::relaying);
  testing::send_text(ends.peer.get(), hello);
  CHECK(ends.reaches(State::closing));
  CHECK(ends.ended_by(EndKind::rate) == 0);
  ends.client.close();
  ends.peer.close();
  CHECK(ends.gone());
  CHECK(ends.ended_by(EndKind::rate) == 1);
}

}  // namespace
}  // namespace sluice
