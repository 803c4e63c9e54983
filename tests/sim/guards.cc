// What a guard says is drawn of the seed and the request's name, so that it says the same when it
// is asked again, and is known before.
#include "tests/sim/guards.h"

#include <cerrno>

#include "protocol/uri.h"
#include "tests/sim/world.h"

namespace sluice::sim {

namespace {

constexpr const char* guards_host = "10.0.0.3";
constexpr uint16_t first_guard_port = 7'000;

constexpr const char* yes_text = "HTTP/1.1 204 No Content\r\nX-User: somebody\r\n\r\n";
constexpr const char* no_text =
    "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 7\r\n\r\nsign in";
constexpr const char* error_text = "HTTP/1.1 500 Error\r\nContent-Length: 0\r\n\r\n";

}  // namespace

void put_guards(Random random, Config& config, uint32_t next_peer) {
  const auto upstreams = static_cast<uint32_t>(config.upstreams.size());
  for (uint32_t i = 0; i < config.routes.size(); ++i) {
    if (!random.chance(75)) continue;
    UpstreamConfig upstream;
    upstream.id = UpstreamId{upstreams + i};
    upstream.name = "guard" + std::to_string(i);
    upstream.keepalive = random.pick<uint32_t>({0, 1, 16});
    upstream.keepalive_timeout_ms = static_cast<uint32_t>(random.between(50, 1'500));
    upstream.health.max_fails = static_cast<uint32_t>(random.below(3));
    PeerConfig peer;
    peer.id = PeerId{next_peer + i};
    peer.address =
        Address::from_ip(guards_host, static_cast<uint16_t>(first_guard_port + i)).value();
    peer.name = peer.address.text();
    peer.uri = parse_server_uri("http://" + peer.name).value();
    upstream.peers.push_back(std::move(peer));
    RouteConfig way;
    way.path = "/verify";
    way.upstream = upstream.id;
    way.host = {HostPolicy::fixed, "guard.example"};
    way.connect_timeout_ms = 600;
    way.handshake_timeout_ms = static_cast<uint32_t>(random.between(1'000, 2'500));
    way.answer_limit = "auth_timeout";
    config.routes[i].authorizer.push_back(std::move(way));
    config.routes[i].auth_cache_ms = random.pick<uint32_t>({0, 0, 500});
    config.upstreams.push_back(std::move(upstream));
  }
}

std::string guarded_id(std::string_view head) {
  for (const std::string_view name : {"\r\nX-Request: ", "\r\nX-Session: ", "\r\nx-session: "}) {
    const size_t at = head.find(name);
    if (at == std::string_view::npos) continue;
    const std::string_view value = head.substr(at + name.size());
    return std::string(value.substr(0, value.find('\r')));
  }
  return "";
}

bool Guards::at(const Address& address) {
  return address.host_text() == guards_host;
}

int Guards::on_connect(Connection& connection) {
  world().after(random_.below(2 * ms), [this, &connection] {
    if (connection.state() == Connection::State::dead) return;
    await_question(*wires_.emplace_back(std::make_unique<Wire>(connection)));
    connection.establish();
  });
  return -EINPROGRESS;
}

Doorman& Guards::await_question(Wire& wire) {
  return *doormen_.emplace_back(
      std::make_unique<Doorman>(wire, false, [this](Doorman& doorman) { judge(doorman); }));
}

Guards::Said Guards::said_of(const std::string& id) const {
  uint64_t hash = seed_ ^ 0xcbf29ce484222325u;
  for (const char each : id) hash = (hash ^ static_cast<unsigned char>(each)) * 0x100000001b3u;
  Random apart(hash);
  const uint64_t roll = apart.below(100);
  const bool plain = id.find('.') != std::string::npos;
  if (roll < 60) return Said::yes;
  // A plain client's connection goes on behind 401, which its judge takes for a server's answer.
  if (roll < 72) return plain ? Said::error : Said::no;
  if (roll < 80) return Said::error;
  if (roll < 87) return Said::silence;
  return roll < 94 ? Said::reset : Said::half;
}

int Guards::status_of(const RouteConfig& route, const std::string& id) const {
  if (route.authorizer.empty()) return 0;
  const Said said = said_of(id);
  return said == Said::yes ? 0 : said == Said::no ? 401 : 503;
}

void Guards::check(const RouteConfig& route, const std::string& id) const {
  if (route.authorizer.empty() || let_in_.count(id) > 0) return;
  world().fail("request " + id + " reached an upstream, and nobody let it in");
}

// Everything that it needs to judge by is there, and nothing of an upgrade.
void Guards::judge(Doorman& doorman) {
  const std::string& head = doorman.received();
  const std::string id = guarded_id(head);
  if (!head.starts_with("GET /verify HTTP/1.1\r\nHost: guard.example\r\n") || id.empty() ||
      head.find("\r\nX-Original-URI: /") == std::string::npos ||
      head.find("Sec-WebSocket-") != std::string::npos || !head.ends_with("\r\n\r\n")) {
    world().fail("a guard is asked wrongly");
  }
  const bool stays = head.find("\r\nConnection: close\r\n") == std::string::npos;
  Wire& wire = doorman.wire();
  switch (said_of(id)) {
    case Said::yes:
      let_in_.insert(id);
      return answer(wire, yes_text, stays);
    case Said::no:
      return answer(wire, no_text, stays);
    case Said::error:
      return answer(wire, error_text, false);
    case Said::silence:
      return;
    case Said::reset:
      return wire.reset();
    case Said::half:
      wire.write("HTTP/1.1 401 No\r\nContent-Length: 9\r\n\r\nha");
      return wire.close_both();
  }
}

// In two parts; where its connection stays, another question may come there, or it ends meanwhile.
void Guards::answer(Wire& wire, const std::string& text, bool stays) {
  const size_t first = random_.below(text.size());
  const uint64_t later_ns = random_.below(random_.pick<uint64_t>({us, ms, 60 * ms}));
  wire.write(text.substr(0, first));
  world().after(later_ns, [this, &wire, rest = text.substr(first), stays] {
    if (wire.gone()) return;
    wire.write(rest);
    if (!stays) return;
    const Doorman& doorman = await_question(wire);
    if (!random_.chance(20)) return;
    world().after(random_.below(30 * ms), [this, &wire, &doorman] {
      if (doorman.found() || wire.gone()) return;
      if (random_.chance(50)) return wire.reset();
      wire.close_both();
    });
  });
}

}  // namespace sluice::sim
