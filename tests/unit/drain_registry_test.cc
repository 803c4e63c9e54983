// DrainRegistry: what can be drained and taken back, what is said of the rest, and the orders.
#include "core/process/drain_registry.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/unit/worker_testing.h"

namespace sluice {
namespace {

const std::string conf =
    "drain_timeout 30s\ndrain_code 1012\nlisten 127.0.0.1:80\nlisten unix:/run/x.sock\n"
    "upstream web\n server ws://10.0.0.1:4000/x\n server wss://10.0.0.2\n"
    "upstream other\n server ws://unix:/run/y.sock:/z\n"
    "route /a\n proxy_pass web\nroute /b\n proxy_pass other\nroute /b\n match_host b.example\n"
    " proxy_pass ws://10.0.0.3\n";

struct Fixture {
  std::unique_ptr<Config> config = testing::config_of(conf);
  ConfIds ids;  // of the confs before
  DrainRegistry registry;

  std::string drain(std::string_view words) {
    DrainRequest request;
    REQUIRE(read_drain(words, request).empty());
    const ControlAnswer answer = registry.drain(request, *config, ids, 5'000);
    return answer.ok ? "" : answer.errors[0];
  }
  std::string undrain(std::string_view words) {
    NamedPart part;
    REQUIRE(read_undrain(words, part).empty());
    const ControlAnswer answer = registry.undrain(part);
    return answer.ok ? "" : answer.errors[0];
  }
  std::string told() const {
    return line_of(registry.status([](const DrainOrder& order) { return order.number * 10; }));
  }
};

TEST_CASE("drain registry: each kind of part becomes an order") {
  Fixture f;
  CHECK(f.drain("upstream web") == "");
  CHECK(f.drain("upstream web server ws://10.0.0.1:4000/x over 5s") == "");
  CHECK(f.drain("upstream web server wss://10.0.0.2:443 over 0s") == "");
  CHECK(f.drain("upstream other server ws://unix:/run/y.sock:/z") == "");
  CHECK(f.drain("upstream ws://10.0.0.3") == "");
  CHECK(f.drain("route /b") == "");
  CHECK(f.drain("listener unix:/run/x.sock") == "");
  const DrainOrders& orders = f.registry.orders();
  REQUIRE(orders.size() == 7);
  for (uint32_t i = 0; i < orders.size(); ++i) {
    CHECK(orders[i].number == i + 1);
    CHECK(orders[i].place == i);
    CHECK(orders[i].code == CloseCode::service_restart);
  }
  CHECK(orders[0].part == Part{Part::Kind::upstream, f.config->upstreams[0].id, {}, ""});
  CHECK(orders[0].window_ms == 30'000);
  CHECK(orders[1].part.text == "ws://10.0.0.1:4000/x");
  CHECK(orders[1].window_ms == 5'000);
  CHECK(orders[2].part.text == "wss://10.0.0.2");
  CHECK(orders[2].window_ms == 0);
  CHECK(orders[3].part.text == "ws://unix:/run/y.sock:/z");
  CHECK(orders[5].part == Part{Part::Kind::route, {}, {}, "/b"});
  CHECK(orders[6].part.listener == f.config->listeners[1].id);
}

TEST_CASE("drain registry: what the conf does not have is told with what it has") {
  Fixture f;
  CHECK(f.drain("upstream wbe") ==
        "no upstream \"wbe\", did you mean \"web\"?; there are web, other, ws://10.0.0.3");
  CHECK(f.drain("upstream web server ws://10.0.0.1:4001") ==
        "no server \"ws://10.0.0.1:4001\", did you mean \"ws://10.0.0.1:4000\"?; there are "
        "ws://10.0.0.1:4000, wss://10.0.0.2");
  CHECK(f.drain("upstream other server x") == "no server \"x\"; there is ws://unix:/run/y.sock");
  CHECK(f.drain("route /c").ends_with("; there are /a, /b"));
  CHECK(f.drain("listener 80").find("127.0.0.1:80, unix:/run/x.sock") != std::string::npos);
  CHECK(f.registry.orders().empty());
}

TEST_CASE("drain registry: a server's path, which may be a secret, need not be said") {
  Fixture f;
  CHECK(f.drain("upstream web server ws://10.0.0.1:4000") == "");
  CHECK(f.registry.orders().front().part.text == "ws://10.0.0.1:4000/x");
  CHECK(f.told().find("/x") == std::string::npos);
}

TEST_CASE("drain registry: drained anew, a part has another window under another number") {
  Fixture f;
  f.drain("route /a");
  f.drain("route /b");
  f.drain("route /a over 1s");
  REQUIRE(f.registry.orders().size() == 2);
  CHECK(f.registry.orders()[0].number == 3);
  CHECK(f.registry.orders()[0].place == 0);
  CHECK(f.registry.orders()[0].window_ms == 1'000);
  CHECK(f.registry.orders()[1].number == 2);
}

TEST_CASE("drain registry: undrain takes back what is drained, whatever the conf has now") {
  Fixture f;
  CHECK(f.undrain("route /a") == "route /a is not drained; nothing is");
  f.drain("upstream web server wss://10.0.0.2");
  f.drain("route /a");
  f.config = testing::config_of("listen 127.0.0.1:80\nroute /x\nproxy_pass ws://10.0.0.1\n");
  CHECK(f.undrain("upstream web") ==
        "upstream web is not drained; drained are: upstream web server wss://10.0.0.2, route /a");
  CHECK(f.undrain("upstream web server wss://10.0.0.2:443") == "");
  CHECK(f.undrain("route /a/") == "");
  CHECK(f.registry.orders().empty());
}

TEST_CASE("drain registry: what only a conf before had can be drained, but for its routes") {
  Fixture f;
  const UpstreamId old = f.ids.upstream("old");
  const ServerUri uri = parse_server_uri("ws://10.0.0.9:4000/x").value();
  f.ids.peer(old, Address::parse("10.0.0.9:4000").value(), uri);
  const ListenerId listener = f.ids.listener(Address::parse("127.0.0.1:81").value());
  CHECK(f.drain("upstream old") == "");
  CHECK(f.drain("upstream old server ws://10.0.0.9:4000/x") == "");
  CHECK(f.drain("upstream old server ws://10.0.0.9:4001/x").starts_with("no server"));
  CHECK(f.drain("listener 127.0.0.1:081") == "");
  CHECK(f.drain("listener 127.0.0.1:82").starts_with("no listener"));
  CHECK(f.drain("upstream older").starts_with("no upstream \"older\""));
  const DrainOrders& orders = f.registry.orders();
  REQUIRE(orders.size() == 3);
  CHECK(orders[0].part == Part{Part::Kind::upstream, old, {}, ""});
  CHECK(orders[1].part == Part{Part::Kind::server, old, {}, "ws://10.0.0.9:4000/x"});
  CHECK(orders[2].part == Part{Part::Kind::listener, {}, listener, ""});
}

TEST_CASE("drain registry: undrain knows addresses and URIs however they are spelled") {
  Fixture f;
  f.config = testing::config_of(
      "listen [::1]:80\nlisten 0.0.0.0:81\nupstream web\n server ws://10.0.0.1:4000/x\n"
      " server ws://10.0.0.1:4000/y\n server ws://10.0.0.2/z\nroute /\n proxy_pass web\n");
  CHECK(f.drain("listener [::1]:80") == "");
  CHECK(f.drain("listener :81") == "");
  CHECK(f.undrain("listener [0:0::1]:080") == "");
  CHECK(f.undrain("listener 81") == "");
  // By its whole URI where it was named without the path, and the other way round.
  CHECK(f.drain("upstream web server ws://10.0.0.2") == "");
  CHECK(f.undrain("upstream web server ws://10.0.0.2:80/z") == "");
  CHECK(f.drain("upstream web server ws://10.0.0.2/z") == "");
  CHECK(f.undrain("upstream web server ws://10.0.0.2") == "");
  CHECK(f.drain("upstream web server ws://10.0.0.1:4000/x") == "");
  CHECK(f.drain("upstream web server ws://10.0.0.1:4000/y") == "");
  CHECK(f.undrain("upstream web server ws://10.0.0.1:4000").find("say the path, too") !=
        std::string::npos);
  CHECK(f.undrain("upstream web server ws://10.0.0.1:4000/x") == "");
  CHECK(f.undrain("upstream web server ws://10.0.0.1:4000") == "");
  CHECK(f.registry.orders().empty());
}

TEST_CASE("drain registry: there is a bound, and numbers and places stay apart") {
  Fixture f;
  std::string many = "listen 127.0.0.1:80\n";
  for (size_t i = 0; i <= most_drains; ++i) {
    many += "route /" + std::to_string(i) + "\n proxy_pass ws://10.0.0.1\n";
  }
  f.config = testing::config_of(many);
  for (size_t i = 0; i < most_drains; ++i) CHECK(f.drain("route /" + std::to_string(i)) == "");
  CHECK(f.drain("route /32") == "32 parts are drained already: undrain one of them first");
  CHECK(f.drain("route /7 over 1s") == "");
  CHECK(f.undrain("route /5") == "");
  CHECK(f.drain("route /32") == "");
  CHECK(f.registry.orders().back().place == 5);
  CHECK(f.registry.orders().back().number == 34);
  CHECK(f.registry.orders().back().window_ms == 60'000);
}

TEST_CASE("drain registry: names that one message has no room for are refused") {
  Fixture f;
  std::string many = "listen 127.0.0.1:80\n";
  const std::string path(1'500, 'p');
  for (size_t i = 0; i < 3; ++i) {
    many += "route /" + std::to_string(i) + path + "\n proxy_pass ws://10.0.0.1\n";
  }
  f.config = testing::config_of(many);
  CHECK(f.drain("route /0" + path) == "");
  CHECK(f.drain("route /1" + path) == "");
  CHECK(f.drain("route /2" + path).find("too long together") != std::string::npos);
  CHECK(f.registry.orders().size() == 2);
}

TEST_CASE("drain registry: without drain_timeout nobody is ended unless a time is named") {
  Fixture f;
  f.config->drain_timeout_ms = 0;
  f.drain("route /a");
  f.drain("route /b over 2s");
  CHECK(f.registry.orders()[0].window_ms == Drain::endless);
  CHECK(f.registry.orders()[1].window_ms == 2'000);
}

TEST_CASE("drain registry: what status tells") {
  Fixture f;
  CHECK(f.told() == "[]");
  f.drain("upstream web");
  CHECK(f.told() == "[{\"part\":\"upstream web\",\"since\":5,\"sessions_left\":10}]");
}

}  // namespace
}  // namespace sluice
