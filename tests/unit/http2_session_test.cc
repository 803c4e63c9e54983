// Http2Session opposite nghttp2's own client: requests, windows both ways, ends, and what is
// counted of a client that only costs.
#include "protocol/http2_session.h"

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/http2_testing.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

struct Owner final : Http2StreamEvents {
  std::string data;
  std::string trailers;
  bool ended = false;
  bool closed = false;
  bool reset = false;
  int writable = 0;

  void on_data(std::span<const uint8_t> bytes) override {
    data.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void on_trailers(std::string_view lines) override { trailers = lines; }
  void on_end() override { ended = true; }
  void on_closed(Http2End end) override {
    closed = true;
    reset = end != Http2End::whole;
  }
  void on_writable() override { ++writable; }
};

struct World final : Http2Events {
  explicit World(uint32_t client_window = 65'535, const Http2Settings& settings = {})
      : client(client_window), session(settings, *this) {}

  Http2StreamEvents* on_request(int32_t id, const Http2Request& request, bool) override {
    if (refuse) return nullptr;
    texts.push_back(request.text("key", false));
    return &owners[id];
  }

  size_t send(int32_t stream, std::string_view bytes, size_t most = SIZE_MAX) {
    const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    return session.send(stream, {&piece, 1}, client.out, most);
  }
  int32_t open_websocket() {
    const int32_t stream = client.websocket();
    client.talk(session);
    session.answer(stream, {{":status", "200"}}, false, false);
    client.talk(session);
    return stream;
  }
  Http2Heard& heard(int32_t stream) { return client.heard[stream]; }

  bool refuse = false;
  std::vector<std::string> texts;
  std::map<int32_t, Owner> owners;
  Http2TestClient client;
  Http2Session session;
};

const Http2Pairs get = {
    {":method", "GET"}, {":scheme", "https"}, {":path", "/"}, {":authority", "h"}};

}  // namespace

TEST_CASE("http2 session: WebSockets are offered, a stream carries bytes both ways and ends") {
  World world;
  const int32_t stream = world.open_websocket();
  CHECK(nghttp2_session_get_remote_settings(world.client.session,
                                            NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1);
  REQUIRE(world.texts.size() == 1);
  CHECK(world.texts[0].starts_with("GET / HTTP/1.1\r\n"));
  CHECK(world.heard(stream).heads == "|:status=200;");
  world.client.send(stream, "up");
  CHECK(world.send(stream, "down") == 4);
  world.client.talk(world.session);
  CHECK(world.owners[stream].data == "up");
  CHECK(world.heard(stream).data == "down");
  world.session.end(stream);
  world.client.talk(world.session);
  CHECK(world.heard(stream).ended);
  CHECK_FALSE(world.owners[stream].closed);
  world.client.send(stream, "", true);
  world.client.talk(world.session);
  CHECK(world.owners[stream].ended);
  CHECK(world.owners[stream].closed);
  CHECK_FALSE(world.owners[stream].reset);
  CHECK_FALSE(world.session.has_streams());
}

TEST_CASE("http2 session: a send takes what the window lets it, and is told when it opens") {
  World world(14'535);
  const int32_t stream = world.open_websocket();
  const std::string bytes(50'000, 'x');
  CHECK(world.send(stream, bytes) == 14'535);
  CHECK(world.send(stream, bytes) == 0);
  world.client.talk(world.session);
  CHECK(world.heard(stream).data.size() == 14'535);
  const int before = world.owners[stream].writable;
  world.client.open_window(stream, 1'000);
  world.client.talk(world.session);
  CHECK(world.owners[stream].writable == before + 1);
  CHECK(world.send(stream, bytes) == 1'000);
}

TEST_CASE("http2 session: without room nothing is taken, and the stream is told of room") {
  World world;
  const int32_t stream = world.open_websocket();
  const std::string bytes(40'000, 'x');
  const size_t taken = world.send(stream, bytes, 10'000);
  CHECK(taken >= 10'000);
  CHECK(taken < bytes.size());
  CHECK(world.send(stream, bytes, 10'000) == 0);
  world.client.talk(world.session);
  CHECK(world.owners[stream].writable > 0);
  CHECK(world.heard(stream).data.size() == taken);
}

TEST_CASE("http2 session: a stream that meets no room at all is told of it, too") {
  World world;
  const int32_t first = world.open_websocket();
  const int32_t second = world.open_websocket();
  CHECK(world.send(second, "x") == 1);
  CHECK(world.send(first, std::string(20'000, 'x'), 10'000) > 0);
  const int before = world.owners[second].writable;
  CHECK(world.send(second, "y", 10'000) == 0);
  world.client.talk(world.session);
  CHECK(world.owners[second].writable > before);
}

// Each of the streams echoes messages as fast as the windows let it, and is asked only where it was
// told. Returns how often that was for a message.
static double tells_a_message(int streams, int rounds) {
  constexpr int32_t payload_bytes = 16'384;
  World world;
  std::map<int32_t, int> left;  // bytes of its message that a stream has not sent
  for (int i = 0; i < streams; ++i) left[world.open_websocket()] = 0;
  const std::string bytes(payload_bytes, 'x');
  int asked = 0;
  for (int round = 0; round < rounds; ++round) {
    std::vector<int32_t> may;
    for (auto& [stream, rest] : left) {
      rest = payload_bytes;
      world.owners[stream].writable = 0;
      may.push_back(stream);
    }
    for (int turn = 0; !may.empty() && turn < 10 * streams; ++turn) {
      for (const int32_t stream : may) {
        const size_t rest = static_cast<size_t>(left[stream]);
        left[stream] -= static_cast<int>(world.send(stream, bytes.substr(0, rest)));
      }
      world.client.talk(world.session);
      for (auto& [stream, rest] : left) {
        Http2Heard& heard = world.heard(stream);
        const auto came = static_cast<int32_t>(heard.data.size());
        heard.data.clear();
        if (came == 0) continue;
        world.client.open_window(0, came);
        world.client.open_window(stream, came);
      }
      world.client.talk(world.session);
      may.clear();
      for (auto& [stream, rest] : left) {
        const int told = std::exchange(world.owners[stream].writable, 0);
        asked += told;
        if (told > 0 && rest > 0) may.push_back(stream);
      }
    }
    for (auto& [stream, rest] : left) CHECK(rest == 0);
  }
  return static_cast<double>(asked) / (streams * rounds);
}

TEST_CASE("http2 session: how often a stream is told that it may send is not others' number") {
  CHECK(tells_a_message(10, 10) < 3);
  CHECK(tells_a_message(100, 10) < 3);
}

TEST_CASE("http2 session: those that wait for room are told in their order, as many as fit") {
  World world(60'000);
  std::vector<int32_t> streams;
  for (int i = 0; i < 6; ++i) streams.push_back(world.open_websocket());
  const auto told = [&] {
    std::string who;
    for (size_t i = 0; i < streams.size(); ++i) {
      if (std::exchange(world.owners[streams[i]].writable, 0) > 0) who += std::to_string(i);
    }
    return who;
  };
  const std::string bytes(16'384, 'x');
  std::string out(1, 'x');
  CHECK(world.send(streams[5], "x") == 1);
  told();
  const auto offer = [&](size_t i, size_t most) {
    const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    return world.session.send(streams[i], {&piece, 1}, out, most);
  };
  for (const size_t i : {3u, 1u, 4u, 0u, 2u}) CHECK(offer(i, 1) == 0);
  CHECK_FALSE(world.session.tell_waiting(0));
  CHECK(told() == "");
  CHECK(world.session.tell_waiting(20'000));
  CHECK(told() == "13");
  CHECK(offer(5, SIZE_MAX) == 0);  // behind those that wait
  CHECK(offer(3, SIZE_MAX) == bytes.size());
  world.session.disown(streams[4]);
  CHECK(world.session.tell_waiting(1));
  CHECK(told() == "0");
  CHECK_FALSE(world.session.tell_waiting(SIZE_MAX));
  CHECK(told() == "25");
  CHECK(offer(5, SIZE_MAX) == bytes.size());
}

TEST_CASE("http2 session: who waits for its own window stands in nobody's way") {
  World world(1'000);
  const int32_t stalled = world.open_websocket();
  const int32_t other = world.open_websocket();
  const std::string bytes(5'000, 'x');
  CHECK(world.send(stalled, bytes) == 1'000);
  CHECK(world.send(stalled, bytes, 1) == 0);
  CHECK_FALSE(world.session.tell_waiting(SIZE_MAX));
  CHECK(world.send(other, bytes) == 1'000);
  world.client.talk(world.session);
  world.owners[stalled].writable = 0;
  world.client.open_window(stalled, 500);
  world.client.talk(world.session);
  CHECK(world.owners[stalled].writable == 1);
  CHECK(world.send(stalled, bytes) == 500);
}

TEST_CASE("http2 session: a stream that nobody reads stops itself alone") {
  World world;
  const int32_t stalled = world.open_websocket();
  const int32_t other = world.open_websocket();
  world.client.send(stalled, std::string(200'000, 's'));
  world.client.talk(world.session);
  CHECK(world.owners[stalled].data.size() == 65'535);
  for (int i = 0; i < 10; ++i) {
    world.client.send(other, std::string(50'000, 'o'));
    world.client.talk(world.session);
    CHECK(world.owners[other].data.size() == size_t{50'000} * static_cast<size_t>(i + 1));
    world.session.consumed(other, 50'000);
    world.client.talk(world.session);
  }
  world.session.consumed(stalled, 65'535);
  world.client.talk(world.session);
  CHECK(world.owners[stalled].data.size() == 2 * 65'535);
}

TEST_CASE("http2 session: trailers both ways") {
  World world;
  const int32_t stream = world.client.request(
      {{":method", "POST"}, {":scheme", "https"}, {":path", "/"}, {":authority", "h"}}, true);
  world.client.talk(world.session);
  nghttp2_nv field{reinterpret_cast<uint8_t*>(const_cast<char*>("x-sum")),
                   reinterpret_cast<uint8_t*>(const_cast<char*>("3")), 5, 1, 0};
  nghttp2_submit_trailer(world.client.session, stream, &field, 1);
  world.client.talk(world.session);
  CHECK(world.owners[stream].trailers == "x-sum: 3\r\n");
  CHECK(world.owners[stream].ended);
  world.session.answer(stream, {{":status", "103"}}, true, false);
  world.session.answer(stream, {{":status", "200"}}, false, false);
  CHECK(world.send(stream, "abc") == 3);
  world.session.end(stream, {{"x-sum", "6"}});
  world.client.talk(world.session);
  CHECK(world.heard(stream).heads == "|:status=103;|:status=200;|x-sum=6;");
  CHECK(world.heard(stream).data == "abc");
  CHECK(world.heard(stream).ended);
  CHECK(world.owners[stream].closed);
}

TEST_CASE("http2 session: who owns a stream no more leaves it ended, or reset where it was not") {
  World world;
  const int32_t whole = world.open_websocket();
  const int32_t cut = world.open_websocket();
  CHECK(world.send(whole, "last words") == 10);
  world.session.end(whole);
  world.session.disown(whole);
  world.session.disown(cut);
  world.client.talk(world.session);
  CHECK(world.heard(whole).data == "last words");
  CHECK(world.heard(whole).ended);
  CHECK(world.heard(whole).code == NGHTTP2_NO_ERROR);
  CHECK(world.heard(whole).closed);
  CHECK(world.heard(cut).code == NGHTTP2_CANCEL);
  CHECK_FALSE(world.owners[whole].closed);  // nobody is told
  world.session.answer(whole, {{":status", "200"}}, false, false);
  world.session.end(whole);
  world.session.reset(whole, Http2Code::cancel);
  world.session.consumed(whole, 1);
  CHECK(world.send(whole, "x") == 0);
}

TEST_CASE("http2 session: malformed and unwanted requests end their stream alone, and count") {
  World world;
  const int32_t malformed = world.client.request(
      {{":method", "GET"}, {":scheme", "https"}, {":path", "/"}, {"Upper", "x"}}, false);
  world.client.talk(world.session);
  CHECK(world.heard(malformed).code == NGHTTP2_PROTOCOL_ERROR);
  CHECK(world.session.costs().resets == 1);
  world.refuse = true;
  const int32_t unwanted = world.client.request(get, false);
  world.client.talk(world.session);
  CHECK(world.heard(unwanted).code == NGHTTP2_REFUSED_STREAM);
  CHECK(world.session.costs().resets == 1);
  world.refuse = false;
  const int32_t good = world.client.request(get, false);
  world.client.talk(world.session);
  CHECK(world.owners.count(good) == 1);
  CHECK_FALSE(world.session.over());
}

TEST_CASE("http2 session: resets and frames without sense are counted, updates that were due not") {
  World world;
  for (int i = 0; i < 5; ++i) {
    const int32_t stream = world.open_websocket();
    world.client.reset(stream);
    world.client.talk(world.session);
    CHECK(world.owners[stream].reset);
  }
  CHECK(world.session.costs().resets == 5);
  const uint64_t before = world.session.costs().idle_frames;
  for (int i = 0; i < 7; ++i) nghttp2_submit_ping(world.client.session, 0, nullptr);
  world.client.talk(world.session);
  CHECK(world.session.costs().idle_frames == before + 7);
  const int32_t stream = world.open_websocket();
  const uint64_t then = world.session.costs().idle_frames;
  for (int i = 0; i < 20; ++i) {
    CHECK(world.send(stream, std::string(1'000, 'x')) == 1'000);
    world.client.talk(world.session);
    world.client.open_window(stream, 1'000);
    world.client.open_window(0, 1'000);
    world.client.talk(world.session);
  }
  CHECK(world.session.costs().idle_frames == then);
  for (int i = 0; i < 20; ++i) world.client.open_window(0, 1);
  world.client.talk(world.session);
  CHECK(world.session.costs().idle_frames > then);
}

TEST_CASE("http2 session: GOAWAY in two steps lets what is under way end") {
  World world;
  const int32_t stream = world.open_websocket();
  world.session.announce_shutdown();
  world.client.talk(world.session);
  CHECK(world.client.goaway_code == NGHTTP2_NO_ERROR);
  world.session.shut_down();
  world.client.talk(world.session);
  CHECK(world.send(stream, "on") == 2);
  world.client.talk(world.session);
  CHECK(world.heard(stream).data == "on");
  CHECK_FALSE(world.session.over());
  world.session.end(stream);
  world.client.send(stream, "", true);
  world.client.talk(world.session);
  CHECK_FALSE(world.session.has_streams());
}

TEST_CASE("http2 session: a connection ends with the code and the words of its owner, or its own") {
  World world;
  world.session.terminate(Http2Code::enhance_your_calm, "http2_reset_rate");
  world.client.talk(world.session);
  CHECK(world.client.goaway_code == NGHTTP2_ENHANCE_YOUR_CALM);
  CHECK(world.session.over());
  CHECK(std::string_view(world.session.fault()) == "http2_reset_rate");
  World strange;
  const std::string nonsense = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  strange.session.feed({reinterpret_cast<const uint8_t*>(nonsense.data()), nonsense.size()});
  CHECK(strange.session.over());
  CHECK(std::string_view(strange.session.fault()) == "no HTTP/2 preface");
}
