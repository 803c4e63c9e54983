// Http2Session as a client, opposite one as a server: requests, answers, WebSockets, refusals.
#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "protocol/http2_session.h"

using namespace sluice;

namespace {

using Fields = std::vector<Http2Field>;

struct Owner final : Http2StreamEvents {
  std::string told;  // what came, in order
  bool closed = false;
  Http2End end = Http2End::whole;

  void on_reply(const Http2Reply& reply, bool ended) override {
    told += std::to_string(reply.status()) + (ended ? " whole;" : ";");
  }
  void on_data(std::span<const uint8_t> bytes) override {
    told.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void on_trailers(std::string_view lines) override { told.append("[").append(lines).append("]"); }
  void on_end() override { told += "."; }
  void on_closed(Http2End how) override {
    closed = true;
    end = how;
  }
  void on_writable() override {}
};

struct Nobody final : Http2Events {};

struct Server final : Http2Events {
  Http2StreamEvents* on_request(int32_t id, const Http2Request& request, bool) override {
    if (refuses) return nullptr;
    last = id;
    text = request.text("key", false);
    return &owners[id];
  }
  bool refuses = false;
  int32_t last = 0;
  std::string text;
  std::map<int32_t, Owner> owners;
};

struct World {
  explicit World(uint32_t most_streams = 128)
      : client({.role = Http2Role::client}, nobody), server({.max_streams = most_streams}, taker) {}

  void talk() {
    for (int round = 0; round < 8; ++round) {
      client.pull(up, SIZE_MAX);
      pass(up, server);
      server.pull(down, SIZE_MAX);
      pass(down, client);
    }
  }
  static void pass(std::string& bytes, Http2Session& to) {
    to.feed({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
    bytes.clear();
  }
  int32_t ask(Owner& owner, bool end = true, const Fields& fields = get) {
    return client.ask(owner, fields, end, 16 * 1024, up);
  }
  void send(Http2Session& from, std::string& out, int32_t stream, std::string_view text) {
    const iovec piece{const_cast<char*>(text.data()), text.size()};
    CHECK(from.send(stream, {&piece, 1}, out, SIZE_MAX) == text.size());
  }

  static inline const Fields get = {
      {":method", "GET"}, {":scheme", "http"}, {":authority", "h"}, {":path", "/a"}};
  static inline const Fields websocket = {{":method", "CONNECT"},
                                          {":protocol", "websocket"},
                                          {":scheme", "http"},
                                          {":authority", "h"},
                                          {":path", "/a"}};
  Nobody nobody;
  Server taker;
  Http2Session client;
  Http2Session server;
  std::string up;
  std::string down;
};

}  // namespace

TEST_CASE("http2 client: what the server allows is known once its settings have come") {
  World world(7);
  CHECK(!world.client.heard_settings());
  world.talk();
  CHECK(world.client.heard_settings());
  CHECK(world.client.may_open_websockets());
  CHECK(world.client.most_streams() == 7);
  CHECK(world.client.may_ask());
}

TEST_CASE("http2 client: a request, interim answers, a body, trailers") {
  World world;
  world.talk();
  Owner owner;
  const int32_t stream = world.ask(owner);
  REQUIRE(stream == 1);
  CHECK(world.client.has_streams());
  world.talk();
  CHECK(world.taker.text.starts_with("GET /a HTTP/1.1\r\nhost: h\r\n"));
  world.server.answer(1, {{":status", "103"}}, true, false);
  world.server.answer(1, {{":status", "200"}}, false, false);
  world.talk();
  world.send(world.server, world.down, 1, "body");
  world.server.end(1, {{"x-t", "1"}});
  world.talk();
  CHECK(owner.told == "103;200;body[x-t: 1\r\n].");
  CHECK(owner.closed);
  CHECK(owner.end == Http2End::whole);
  CHECK(!world.client.has_streams());
}

TEST_CASE("http2 client: an answer without a body is whole with its head") {
  World world;
  world.talk();
  Owner owner;
  world.ask(owner);
  world.talk();
  world.server.answer(1, {{":status", "404"}}, false, true);
  world.talk();
  CHECK(owner.told == "404 whole;.");
  CHECK(owner.closed);
}

TEST_CASE("http2 client: a WebSocket carries bytes both ways, in both orders of ends") {
  for (const bool server_first : {false, true}) {
    World world;
    world.talk();
    Owner owner;
    const int32_t stream = world.ask(owner, false, World::websocket);
    world.talk();
    world.server.answer(stream, {{":status", "200"}}, false, false);
    world.talk();
    world.send(world.client, world.up, stream, "ping");
    world.send(world.server, world.down, stream, "pong");
    world.talk();
    CHECK(owner.told == "200;pong");
    CHECK(world.taker.owners[stream].told == "ping");
    (server_first ? world.server : world.client).end(stream);
    world.talk();
    CHECK(!owner.closed);
    (server_first ? world.client : world.server).end(stream);
    world.talk();
    CHECK(owner.closed);
    CHECK(owner.end == Http2End::whole);
  }
}

TEST_CASE("http2 client: a stream that was not looked at is told apart from one that was") {
  World world;
  world.talk();
  world.taker.refuses = true;
  Owner refused;
  world.ask(refused);
  world.talk();
  CHECK(refused.closed);
  CHECK(refused.end == Http2End::refused);
  world.taker.refuses = false;
  Owner reset;
  const int32_t stream = world.ask(reset);
  world.talk();
  world.server.reset(stream, Http2Code::internal_error);
  world.talk();
  CHECK(reset.end == Http2End::reset);
}

TEST_CASE("http2 client: behind a GOAWAY nothing is asked, and what it passes over is refused") {
  World world;
  world.talk();
  Owner first;
  world.ask(first);
  world.talk();
  Owner second;
  world.ask(second);  // on its way
  world.server.shut_down();
  world.server.pull(world.down, SIZE_MAX);
  World::pass(world.down, world.client);
  CHECK(!world.client.may_ask());
  CHECK(second.closed);
  CHECK(second.end == Http2End::refused);
  CHECK(!first.closed);
}

TEST_CASE("http2 client: who is not interested any more says so") {
  World world;
  world.talk();
  Owner owner;
  const int32_t stream = world.ask(owner, false, World::websocket);
  world.talk();
  world.client.disown(stream);
  world.talk();
  CHECK(world.taker.owners[stream].closed);
  CHECK(world.taker.owners[stream].end == Http2End::reset);
  CHECK(!owner.closed);  // it is nobody's
  CHECK(!world.client.has_streams());
}

TEST_CASE("http2 client: what is no HTTP/2 is a fault, not a wait") {
  World world;
  std::string answer = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
  World::pass(answer, world.client);
  world.client.pull(world.up, SIZE_MAX);
  CHECK(world.client.over());
  CHECK(std::string(world.client.fault()) != "");
  CHECK(!world.client.heard_settings());
}
