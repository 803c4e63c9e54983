// ConfIds: the same thing has the same number in every conf, and nothing else has it.
#include <doctest/doctest.h>

#include <set>
#include <string>

#include "core/conf/conf_ids.h"
#include "tests/conf/memory_inputs.h"
#include "tests/unit/conf_testing.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

ServerUri uri(const std::string& text) {
  return parse_server_uri(text).value();
}

Address address(const std::string& text) {
  return Address::parse(text).value();
}

std::unique_ptr<Config> load(const std::string& text, ConfIds& ids) {
  MemoryInputs inputs;
  inputs.files["/x.conf"] = text;
  ConfOptions options;
  options.ids = &ids;
  return std::move(load_conf("/x.conf", options, inputs).config);
}

}  // namespace

TEST_CASE("conf ids: numbers begin at 0 and are given once") {
  ConfIds ids;
  CHECK(ids.upstream("chat") == UpstreamId{0});
  CHECK(ids.upstream("other") == UpstreamId{1});
  CHECK(ids.upstream("chat") == UpstreamId{0});
  CHECK(ids.listener(address("8080")) == ListenerId{0});
  CHECK(ids.listener(address("unix:/x.sock")) == ListenerId{1});
  CHECK(ids.listener(address("0.0.0.0:8080")) == ListenerId{0});
}

TEST_CASE("conf ids: routes and listeners have labels, which travel with the numbers") {
  ConfIds ids;
  CHECK(ids.route("/b") == RouteId{0});
  CHECK(ids.route("/a") == RouteId{1});
  CHECK(ids.route("/b") == RouteId{0});
  ids.listener(address("127.0.0.1:1"));
  const std::string bytes = ids.bytes();
  std::string_view rest = bytes;
  std::optional<ConfIds> copy = ConfIds::from(rest);
  REQUIRE(copy);
  CHECK(copy->route_labels() == std::vector<std::string>{"/b", "/a"});
  CHECK(copy->listener_labels() == std::vector<std::string>{"127.0.0.1:1"});
  CHECK(copy->route("/c") == RouteId{2});
}

TEST_CASE("conf ids: what was met is known, and asking adds nothing") {
  ConfIds ids;
  const UpstreamId chat = ids.upstream("chat");
  ids.peer(chat, address("127.0.0.1:1"), uri("ws://a:1/x"));
  ids.listener(address("8080"));
  const std::string before = ids.bytes();
  CHECK(ids.known_upstream("chat") == chat);
  CHECK_FALSE(ids.known_upstream("cha"));
  CHECK(ids.known_listener(address("0.0.0.0:8080")) == ListenerId{0});
  CHECK_FALSE(ids.known_listener(address("8081")));
  CHECK(ids.knows_server(chat, uri("ws://a:1/x")));
  CHECK_FALSE(ids.knows_server(chat, uri("ws://a:1")));
  CHECK_FALSE(ids.knows_server(chat, uri("ws://a:1/xx")));
  CHECK_FALSE(ids.knows_server(UpstreamId{1}, uri("ws://a:1/x")));
  CHECK(ids.bytes() == before);
}

TEST_CASE("conf ids: a peer is its upstream's, with its address and its URI") {
  ConfIds ids;
  const UpstreamId chat = ids.upstream("chat");
  CHECK(ids.peers() == 0);
  const auto number = [&](UpstreamId upstream, const char* at, const char* reached_by) {
    return ids.peer(upstream, address(at), uri(reached_by));
  };
  const PeerId first = number(chat, "127.0.0.1:1", "ws://a:1/x");
  CHECK(first == PeerId{0});
  CHECK(number(ids.upstream("other"), "127.0.0.1:1", "ws://a:1/x") == PeerId{1});
  CHECK(number(chat, "127.0.0.2:1", "ws://a:1/x") == PeerId{2});
  CHECK(number(chat, "127.0.0.1:1", "wss://a:1/x") == PeerId{3});
  CHECK(number(chat, "127.0.0.1:1", "ws://b:1/x") == PeerId{4});
  CHECK(number(chat, "127.0.0.1:1", "ws://a:1/y") == PeerId{5});
  CHECK(number(chat, "127.0.0.1:1", "ws://a:1/x") == first);
  // A copy goes on from there, without the original.
  ConfIds copy = ids;
  CHECK(copy.peer(chat, address("127.0.0.9:1"), uri("ws://a:1")) == PeerId{6});
  CHECK(number(chat, "127.0.0.1:1", "ws://a:1/z") == PeerId{6});
}

TEST_CASE("conf ids: what stays from one conf to the next keeps its number") {
  ConfIds ids;
  const auto older = load(
      "listen 8080\nlisten 8081\n"
      "upstream one\n server ws://127.0.0.1:1\n server ws://127.0.0.1:2\n"
      "upstream two\n server ws://127.0.0.1:2\n"
      "route /\n proxy_pass two\nroute /one\n proxy_pass one\n",
      ids);
  REQUIRE(older != nullptr);
  const auto newer = load(
      "listen 8082\nlisten 8081\n"
      "route /\n proxy_pass two\nroute /uri\n proxy_pass ws://127.0.0.1:1\n"
      "upstream two\n server ws://127.0.0.1:3\n server ws://127.0.0.1:2\n",
      ids);
  REQUIRE(newer != nullptr);
  CHECK(newer->listeners[1].id == older->listeners[1].id);
  CHECK(newer->listeners[0].id == ListenerId{2});
  const UpstreamConfig& two = older->upstream(older->routes[0].upstream);
  const UpstreamConfig& still_two = newer->upstream(newer->routes[0].upstream);
  CHECK(two.id == still_two.id);
  CHECK(still_two.name == "two");
  CHECK(two.peers[0].id == still_two.peers[1].id);
  CHECK(still_two.peers[0].id == PeerId{3});
  CHECK(newer->routes[0].key == older->routes[0].key);
  CHECK(newer->upstream(newer->routes[1].upstream).id == UpstreamId{2});

  // A new one that stands before an old one has the larger number, and both are found.
  const auto newest = load(
      "listen 8080\n"
      "upstream three\n server ws://127.0.0.1:4\nupstream two\n server ws://127.0.0.1:2\n"
      "route /\n proxy_pass two\nroute /three\n proxy_pass three\n",
      ids);
  REQUIRE(newest != nullptr);
  CHECK(newest->routes[1].upstream == UpstreamId{3});
  CHECK(newest->upstream(newest->routes[0].upstream).name == "two");
  CHECK(newest->upstream(newest->routes[1].upstream).name == "three");
}

TEST_CASE("conf ids: a bad conf leaves the numbers as they were") {
  ConfIds ids;
  CHECK(load("listen 8080\nroute /\n proxy_pass ws://127.0.0.1:1\nnonsense\n", ids) == nullptr);
  CHECK(ids.listener(address("9090")) == ListenerId{0});
  CHECK(ids.upstream("chat") == UpstreamId{0});
}

TEST_CASE("conf ids: routes with the same URI, as it is expanded, share an upstream") {
  ConfIds ids;
  const auto config = load(
      "listen 8080\nroute /a\n proxy_pass ws://127.0.0.1:1\nroute /b\n proxy_pass "
      "ws://127.0.0.1:1\nroute /c\n proxy_pass ws://127.0.0.1:2\n",
      ids);
  REQUIRE(config != nullptr);
  CHECK(config->routes[0].upstream == config->routes[1].upstream);
  CHECK(config->routes[0].upstream != config->routes[2].upstream);
  CHECK(config->upstreams.size() == 2);
}

TEST_CASE("conf ids: a route's key is that of its path and conditions, and of nothing else") {
  RouteConfig route;
  route.path = "/chat";
  const RouteKey key = key_of(route);
  CHECK(key == RouteKey{0x565ae620d7156480});  // processes of other binaries know it by that
  route.close_timeout_ms = 1;
  route.upstream = UpstreamId{9};
  CHECK(key_of(route) == key);
  std::set<RouteKey> keys{key};
  route.match_hosts = {"a.example"};
  keys.insert(key_of(route));
  route.match_headers = {{"X-A", ""}};
  keys.insert(key_of(route));
  route.match_headers = {{"X-A", "1"}};
  keys.insert(key_of(route));
  route.match_headers = {{"X-", "A1"}};
  keys.insert(key_of(route));
  const RouteConfig with_header = route;
  route.path_form = PathForm::exact;
  keys.insert(key_of(route));
  route.match_hosts = {"a.example", "b.example"};
  keys.insert(key_of(route));
  // Each condition, and the same words in another one.
  const auto with = [&](auto change) {
    RouteConfig other = with_header;
    change(other);
    keys.insert(key_of(other));
  };
  with([](RouteConfig& other) { other.match_queries = {{"a", "b"}}; });
  with([](RouteConfig& other) { other.match_cookies = {{"a", "b"}}; });
  with([](RouteConfig& other) { other.match_methods = {"a", "b"}; });
  with([](RouteConfig& other) { other.match_clients.unix_sockets = true; });
  with([](RouteConfig& other) { other.match_clients.ranges = {Cidr::parse("::1").value()}; });
  with([](RouteConfig& other) { other.match_listeners = {Address::parse("unix:/a").value()}; });
  with([](RouteConfig& other) {
    std::string wrong;
    other.match_headers[0].value.clear();
    other.match_headers[0].pattern = *Pattern::compile("A1", wrong);
  });
  CHECK(keys.size() == 14);
}

TEST_CASE("conf ids: another process gives the same numbers from the bytes") {
  ConfIds ids;
  const UpstreamId chat = ids.upstream("chat");
  const UpstreamId api = ids.upstream("api");
  const PeerId peer = ids.peer(api, address("127.0.0.1:1"), uri("ws://a/"));
  const ListenerId listener = ids.listener(address("127.0.0.1:80"));
  std::string bytes = ids.bytes() + "behind";
  std::string_view view = bytes;
  std::optional<ConfIds> same = ConfIds::from(view);
  REQUIRE(same);
  CHECK(view == "behind");
  CHECK(same->upstream("api") == api);
  CHECK(same->upstream("chat") == chat);
  CHECK(same->peer(api, address("127.0.0.1:1"), uri("ws://a/")) == peer);
  CHECK(same->listener(address("127.0.0.1:80")) == listener);
  CHECK(same->upstream("new") == UpstreamId{2});
  CHECK(same->bytes() != ids.bytes());
}

TEST_CASE("conf ids: bytes that are cut short, or name something twice, are no ids") {
  ConfIds ids;
  ids.upstream("chat");
  ids.listener(address("127.0.0.1:80"));
  const std::string bytes = ids.bytes();
  for (size_t length = 0; length < bytes.size(); ++length) {
    std::string_view view = std::string_view(bytes).substr(0, length);
    CHECK_FALSE(ConfIds::from(view));
  }
  std::string twice("\2\0\0\0\1\0\0\0a\1\0\0\0a\0\0\0\0\0\0\0\0", 22);
  std::string_view view = twice;
  CHECK_FALSE(ConfIds::from(view));
}

TEST_CASE("conf ids: a number that is given back is the next new peer's, in every process") {
  ConfIds ids;
  const UpstreamId chat = ids.upstream("chat");
  for (const char* each : {"10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"}) {
    ids.peer(chat, address(each), uri("ws://chat.example:1"));
  }
  ids.release({PeerId{1}});
  ids.release({PeerId{1}});  // it is free already
  CHECK(ids.peers() == 3);
  std::string bytes = ids.bytes() + "rest";
  std::string_view left = bytes;
  std::optional<ConfIds> copy = ConfIds::from(left);
  REQUIRE(copy);
  CHECK(left == "rest");
  for (ConfIds* each : {&ids, &*copy}) {
    CHECK(each->peer(chat, address("10.0.0.3:1"), uri("ws://chat.example:1")) == PeerId{2});
    CHECK(each->peer(chat, address("10.0.0.2:1"), uri("ws://chat.example:1")) == PeerId{1});
    CHECK_FALSE(each->peer_below(3, chat, address("10.0.0.4:1"), uri("ws://chat.example:1")));
    CHECK(each->peer_below(3, chat, address("10.0.0.3:1"), uri("ws://chat.example:1")) ==
          PeerId{2});
    CHECK(each->peer(chat, address("10.0.0.4:1"), uri("ws://chat.example:1")) == PeerId{3});
    CHECK(each->peers() == 4);
  }
}
