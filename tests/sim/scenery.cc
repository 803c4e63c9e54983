// Scenery: mostly kind, so that most sessions live, and now and then short of everything.
#include "tests/sim/scenery.h"

#include <algorithm>
#include <string>

#include "net/address.h"
#include "tests/sim/guards.h"
#include "tests/sim/http2_plan.h"
#include "tests/sim/http_plan.h"
#include "tests/sim/password_plan.h"
#include "tests/sim/proxy_plan.h"
#include "tests/sim/tls_plan.h"
#include "tests/sim/token_plan.h"
#include "tests/sim/world.h"

namespace sluice::sim {

namespace {

Dialling make_dialling(Random& random, const RouteConfig& route) {
  Dialling dialling;
  using Kind = Dialling::Kind;
  dialling.kind = random.chance(80)
                      ? Kind::accept
                      : random.pick<Kind>({Kind::accept_at_once, Kind::refuse, Kind::refuse_at_once,
                                           Kind::unreachable, Kind::hang, Kind::too_late});
  dialling.delay_ns = random.below(random.chance(80) ? ms : 100 * ms);
  if (dialling.kind == Kind::too_late) {
    dialling.delay_ns = (route.connect_timeout_ms + random.below(50)) * ms + 5 * ms;
  }
  Random apart = random;  // draws of its own, which shift nobody else's
  if (apart.chance(10)) {
    using Deaf = Dialling::Deaf;
    dialling.deaf = apart.pick<Deaf>({Deaf::silent, Deaf::ends, Deaf::resets});
  }
  return dialling;
}

// What time does to its sessions, on one route in three.
void make_pace(Random& random, RouteConfig& route) {
  if (!random.chance(33)) return;
  const auto between = [&random](uint64_t least, uint64_t most) {
    return static_cast<uint32_t>(random.between(least, most));
  };
  if (random.chance(50)) {
    route.client_ping_interval_ms = between(20, 1'000);
    route.client_ping_timeout_ms = between(100, 2'000);
  }
  if (random.chance(50)) {
    route.upstream_ping_interval_ms = between(20, 1'000);
    route.upstream_ping_timeout_ms = between(100, 2'000);
  }
  if (random.chance(40)) {
    route.max_session_age_ms = between(50, 3'000);
    route.session_age_jitter = static_cast<uint8_t>(random.pick<unsigned>({0, 10, 100}));
  }
  if (random.chance(30)) route.max_queued_time_ms = between(100, 2'000);
  if (random.chance(20)) route.client_message_rate = {between(50, 500), between(1, 50)};
  if (random.chance(20)) route.upstream_message_rate = {between(50, 500), between(1, 50)};
  if (random.chance(20)) route.client_byte_rate = {between(20'000, 500'000), between(1, 100'000)};
  if (random.chance(20)) route.upstream_byte_rate = {between(20'000, 500'000), between(1, 100'000)};
}

// Seeds from here on have routes that look at who a page is.
constexpr uint64_t first_seed_with_origins = 200'000;

RouteConfig make_route(Random& random, size_t number) {
  RouteConfig route;
  route.path = "/r" + std::to_string(number);
  route.upstream = UpstreamId{static_cast<uint32_t>(number)};
  const auto between = [&random](uint64_t least, uint64_t most) {
    return static_cast<uint32_t>(random.between(least, most));
  };
  route.connect_timeout_ms = between(150, 600);
  route.handshake_timeout_ms = between(200, 1'500);
  route.idle_timeout_ms = between(700, random.chance(50) ? 3'000 : 30'000);
  route.send_timeout_ms = between(500, 3'000);
  route.close_timeout_ms = between(300, 1'500);
  route.validate_utf8 = random.chance(35);
  if (random.chance(25)) route.max_message_bytes = random.between(100, 5'000);
  // Not drawn, so that older seeds mean what they meant.
  if (route.close_timeout_ms % 4 == 0) route.lost_close_code = 1012;
  if (world().seed() >= first_seed_with_origins && route.handshake_timeout_ms % 3 == 0) {
    route.allowed_origins.patterns = {{{"https", "own.example", 443}, false}};
  }
  if (route.send_timeout_ms % 4 == 0) route.next_peer_on.statuses = {500, 503};
  // Of what was drawn already, so that seeds keep their meaning.
  const uint32_t choice = route.connect_timeout_ms % 10;
  if (choice < 6) route.control_frame_rate = {100, 100};
  if (choice == 6) route.control_frame_rate = {};
  if (choice > 7) route.max_small_fragments = choice == 8 ? 0 : 40;
  Random apart = random;  // draws of its own, which shift nobody else's
  make_pace(apart, route);
  NextPeerOn& on = route.next_peer_on;
  on.error = !apart.chance(15);
  on.timeout = !apart.chance(15);
  on.invalid_answer = apart.chance(30);
  if (apart.chance(15)) route.next_peer_tries = static_cast<uint32_t>(apart.between(1, 2));
  if (apart.chance(30)) route.hedge_after_ms = static_cast<uint32_t>(apart.between(1, 300));
  if (apart.chance(15)) route.next_peer_timeout_ms = static_cast<uint32_t>(apart.between(50, 500));
  return route;
}

void make_balance(Random& random, UpstreamConfig& upstream) {
  upstream.balance =
      random.pick({Balance::round_robin, Balance::least_conn, Balance::random_two, Balance::hash});
  upstream.hash_key.add(Variable::http, "x_session");
  upstream.health.max_fails = static_cast<uint32_t>(random.below(4));
  upstream.health.fail_timeout_ms = static_cast<uint32_t>(random.between(1, 3'000));
  upstream.health.first_fail_timeout_ms = upstream.health.fail_timeout_ms;
  upstream.health.max_fail_timeout_ms = 10'000;
  for (PeerConfig& peer : upstream.peers) {
    peer.weight = static_cast<uint32_t>(random.between(1, 5));
    if (random.chance(10)) peer.max_connections = static_cast<uint32_t>(random.between(1, 3));
    if (random.chance(20)) peer.slow_start_ms = static_cast<uint32_t>(random.between(1, 2'000));
    peer.tier = random.chance(20) ? backup_tier : 0;
  }
}

// Its servers are told who the client is, before anything else.
void make_introduced(Random random, RouteConfig& route) {
  Random apart(random.next() ^ 0xb11);
  if (!apart.chance(20)) return;
  route.send_proxy_protocol =
      apart.pick<SendProxyProtocol>({SendProxyProtocol::v1, SendProxyProtocol::v2});
}

void make_upstream(Random& random, Scenery& scenery, Config& config, const RouteConfig& route) {
  UpstreamConfig upstream;
  upstream.id = route.upstream;
  upstream.name = "u" + std::to_string(config.upstreams.size());
  const size_t count = random.chance(70) ? 1 : random.between(2, 3);
  for (size_t i = 0; i < count; ++i) {
    PeerConfig peer;
    const auto port = static_cast<uint16_t>(first_server_port + scenery.diallings.size());
    peer.id = PeerId{static_cast<uint32_t>(scenery.diallings.size())};
    peer.address = Address::from_ip("10.0.0.1", port).value();
    peer.name = peer.address.text();
    peer.uri = parse_server_uri("ws://" + peer.name).value();
    upstream.peers.push_back(std::move(peer));
    scenery.diallings.push_back(make_dialling(random, route));
    scenery.diallings.back().introduced = route.send_proxy_protocol != SendProxyProtocol::off;
  }
  Random apart = random;
  make_balance(apart, upstream);
  config.upstreams.push_back(std::move(upstream));
}

void make_hardships(Random& random, Scenery& scenery) {
  const uint64_t roll = random.below(100);
  if (roll < 12) scenery.room = Room::small;
  if (roll >= 90) scenery.room = Room::large;
  scenery.slow_network = random.chance(10);
  Kernel::Rules& rules = scenery.kernel;
  rules.subset_percent = random.pick<unsigned>({0, 20, 50, 90});
  rules.spurious_percent = random.pick<unsigned>({0, 0, 5, 20});
  rules.interrupt_percent = random.pick<unsigned>({0, 0, 1});
  rules.late_ns = random.pick<uint64_t>({1 * us, 100 * us, ms});
  if (scenery.sessions > 2 && random.chance(15)) {
    // Listener, logs, signal pipe and poller are seven with standard streams.
    rules.descriptor_limit = static_cast<int>(7 + random.between(2, scenery.sessions + 1));
    scenery.climate.scarce = true;
  }
  if (scenery.sessions > 2 && random.chance(5)) {
    scenery.worker_connections = static_cast<uint32_t>(random.between(1, scenery.sessions));
    scenery.climate.overload = true;
  }
  if (random.chance(10)) scenery.leave_ns = random.between(ms, 3 * second);
  if (random.chance(10)) scenery.quit_ns = random.between(ms, 3 * second);
  if (random.chance(4)) {
    rules.watch_faults = 1;
    scenery.climate.scarce = true;
  }
  if (random.chance(4)) {
    // The first is for the timers: without it the worker does not start.
    rules.mappings_until_fault = static_cast<int>(random.between(2, 8));
    scenery.climate.scarce = true;
  }
  if (random.chance(8)) rules.accept_faults = static_cast<int>(random.between(1, 2));
  scenery.access_log = random.chance(50);
  scenery.broken_access_log = scenery.access_log && random.chance(20);
}

// Its clients come through a balancer that says who they are. A header that a receive buffer does
// not hold is never whole to who peeks.
void make_balancer(Random random, const Scenery& scenery, ListenConfig& listener) {
  Random apart(random.next() ^ 0xb10);
  if (scenery.room != Room::small && apart.chance(25)) expect_introductions(listener);
}

// More clients at once than may be: some wait, some are refused.
void make_storm(Random& random, Scenery& scenery, ListenConfig& listener) {
  Random apart = random;  // draws of its own, which shift nobody else's
  if (scenery.sessions <= 2 || !apart.chance(60)) return;
  listener.handshake_rate.a_second = apart.pick<uint32_t>({3, 10, 50, 1'000});
  listener.handshake_rate.burst = static_cast<uint32_t>(apart.between(1, 3));
  listener.handshake_queue_time_ms = apart.pick<uint32_t>({1, 50, 300, 1'000});
  scenery.climate.storm = true;
}

// Everything that can be counted of clients is, and nobody is refused for it: what is left behind
// in the table is a session's that never took it back.
void count_clients(Config& config) {
  for (ListenConfig& each : config.listeners) {
    if (each.knows_client_at_accept()) each.most_per_client = ConnectionLimits::most;
  }
  for (RouteConfig& each : config.routes) {
    each.limit_connections = {ConnectionLimits::most, ConnectionLimits::most};
    each.limit_handshakes = {RateLimit::most, 1, RateLimit::most};
  }
}

}  // namespace

Scenery make_scenery(Random& random, Random* tls, Random* http2, bool splice, bool storms,
                     bool guarded) {
  Scenery scenery;
  auto* made = new Config();  // counted by its references
  scenery.config = ConfigRef(made);
  Config& config = *made;
  config.file = "simulated";
  config.ring_bytes = random.pick<uint32_t>({16'384, 16'384, 32'768, 65'536, 262'144});
  config.log_query = random.chance(50);
  ListenConfig listener;
  listener.address = Address::from_ip("10.0.0.2", 80).value();
  listener.client_header_timeout_ms = static_cast<uint32_t>(random.between(200, 2'000));
  config.listeners.push_back(std::move(listener));
  const size_t routes = random.between(1, 4);
  for (size_t i = 0; i < routes; ++i) {
    config.routes.push_back(make_route(random, i));
    if (tls == nullptr) make_introduced(random, config.routes.back());  // before TLS: not there
    make_upstream(random, scenery, config, config.routes.back());
  }
  config.index_routes();
  const uint64_t roll = random.below(100);
  scenery.sessions = roll < 40 ? 1 : roll < 80 ? random.between(2, 5) : random.between(6, 20);
  make_hardships(random, scenery);
  scenery.climate.ring_bytes = config.ring_bytes;
  scenery.climate.pipe_bytes = splice ? PipePool::pipe_bytes : 0;
  config.splice = splice;
  if (splice) scenery.kernel.descriptor_limit += 2 * static_cast<int>(PipePool::most_pipes);
  if (splice) scenery.kernel.most_spliced = random.pick<size_t>({200, 3'000, 60'000, 1 << 20});
  Random apart = random;  // draws of its own, which shift nobody else's
  if (apart.chance(10)) {
    scenery.buffer_memory_bytes = apart.between(1, 6) * config.ring_bytes;
    // Rings of readers that stall are small by the time that they are looked at.
    if (tls != nullptr) scenery.buffer_memory_bytes >>= apart.between(0, 8);
    scenery.climate.crowded = true;
  }
  if (storms) make_storm(random, scenery, config.listeners[0]);
  make_balancer(apart, scenery, config.listeners[0]);
  if (apart.chance(15)) {
    scenery.drain_at_ns = apart.between(ms, 3 * second);
    scenery.climate.drain_window_ns = apart.chance(20) ? 0 : apart.below(3 * second);
    scenery.climate.drain_code = apart.pick<uint16_t>({1001, 1012});
  }
  if (scenery.drain_at_ns == 0 && apart.chance(15)) {
    scenery.command_ns = apart.between(ms, 20 * ms);
    scenery.command_reason =
        std::string(apart.pick<size_t>({0, 1, 50, max_close_reason_bytes}), 'r');
  }
  serve_plain_http(apart, config);
  if (world().seed() >= first_seed_with_passwords) {
    demand_passwords(apart, config);
  } else if (world().seed() >= first_seed_with_tokens) {
    demand_tokens(apart, config);
  }
  config.worker_connections = scenery.worker_connections;
  config.drain_timeout_ms = 0;  // QUIT ends no session
  if (http2 != nullptr) permit_http2(*http2, scenery, config);
  if (tls != nullptr) secure_scenery(*tls, scenery, config);
  if (guarded) {
    put_guards(Random(apart.next()), config, static_cast<uint32_t>(scenery.diallings.size()));
  }
  count_clients(config);
  return scenery;
}

Link make_link(Random& random, const Scenery& scenery) {
  Link link;
  link.latency_ns = random.between(10 * us, 500 * us);
  link.jitter_ns = random.chance(50) ? 0 : random.below(300 * us);
  link.purges_on_reset = random.chance(50);
  if (scenery.room == Room::small) {
    const auto size = [&random] { return random.pick<size_t>({1, 2, 7, 60, 300, 1'000}); };
    link.proxy_receive_bytes = size();
    link.proxy_send_bytes = size();
    link.peer_receive_bytes = size();
    link.segment_bytes = size();
    return link;
  }
  if (scenery.room == Room::large) {
    link.proxy_receive_bytes = link.proxy_send_bytes = link.peer_receive_bytes = 1 << 20;
    link.segment_bytes = 1 << 20;
    return link;
  }
  const auto size = [&random] {
    return random.pick<size_t>({4'096, 20'000, 65'536, 262'144, 1'048'576});
  };
  link.proxy_receive_bytes = size();
  link.proxy_send_bytes = size();
  link.peer_receive_bytes = size();
  link.segment_bytes = random.pick<size_t>({1'448, 16'384, 65'536, 262'144});
  if (scenery.slow_network) {
    link.latency_ns = random.between(ms, 40 * ms);
    link.jitter_ns = random.below(20 * ms);
  }
  return link;
}

std::vector<int> dial_statuses(const Scenery& scenery, const RouteConfig& route) {
  size_t timed_out = 0;
  const auto& peers = scenery.config->upstream(route.upstream).peers;
  for (const PeerConfig& peer : peers) {
    const Dialling& dialling = scenery.diallings[peer.address.port() - first_server_port];
    if (dialling.reaches()) return {};
    if (dialling.times_out()) ++timed_out;
  }
  if (timed_out == 0) return {502};
  if (timed_out == peers.size()) return {504};
  return {502, 504};
}

bool surely_reached(const Scenery& scenery, const RouteConfig& route) {
  const auto& peers = scenery.config->upstream(route.upstream).peers;
  return std::all_of(peers.begin(), peers.end(), [&scenery](const PeerConfig& peer) {
    const Dialling& dialling = scenery.diallings[peer.address.port() - first_server_port];
    return dialling.reaches() && peer.max_connections == 0;
  });
}

}  // namespace sluice::sim
