// Reloads: a newer conf is a copy with everything moved.
#include "tests/sim/reloads.h"

#include <algorithm>
#include <string>

namespace sluice::sim {

namespace {

constexpr uint32_t ids_a_conf = 100;  // more than any has

// What nobody is led to. It stands first, so that whoever goes by an old place meets it.
void add_decoys(Config& conf, uint32_t first_id) {
  ListenConfig& listener = conf.listeners.emplace_back();
  listener.id = ListenerId{first_id};
  listener.address = Address::from_ip("10.0.0.2", 81).value();
  listener.client_header_timeout_ms = 1;
  UpstreamConfig upstream;
  upstream.id = UpstreamId{first_id};
  upstream.name = "decoy";
  PeerConfig peer;
  peer.id = PeerId{first_id};
  peer.address = Address::from_ip("10.9.9.9", 9).value();
  peer.name = peer.address.text();
  peer.uri = parse_server_uri("ws://" + peer.name).value();
  upstream.peers.push_back(std::move(peer));
  conf.upstreams.push_back(std::move(upstream));
  RouteConfig route;
  route.path = "/";
  route.match_hosts = {"decoy.invalid"};
  route.upstream = UpstreamId{first_id};
  conf.routes.push_back(std::move(route));
  conf.index_routes();
}

// Each server has a name of its own, since the test leads each to one address.
NameQuestion question_of(uint32_t server) {
  return {"s" + std::to_string(server) + ".invalid", 80, false};
}

void add_listeners(const Config& first, Config& conf) {
  for (const ListenConfig& listener : first.listeners) conf.listeners.push_back(listener);
}

Config* with_settings_of(const Config& first) {
  auto* conf = new Config;  // counted by its references
  conf->file = first.file;
  conf->log_query = first.log_query;
  conf->ring_bytes = first.ring_bytes;
  conf->splice = first.splice;
  conf->worker_connections = first.worker_connections;
  conf->drain_timeout_ms = first.drain_timeout_ms;
  conf->password_files = first.password_files;
  conf->auth_basic_cache = first.auth_basic_cache;
  conf->tls_ticket_lifetime_ms = first.tls_ticket_lifetime_ms;
  return conf;
}

ConfigRef newer(const Config& first, uint32_t generation) {
  Config* const conf = with_settings_of(first);
  const uint32_t first_id = generation * ids_a_conf;
  add_decoys(*conf, first_id);
  add_listeners(first, *conf);
  if (generation % 2 == 1) conf->listeners.back().handshake_rate = {};
  uint32_t next_peer = first_id;
  for (uint32_t i = 0; i < first.upstreams.size(); ++i) {
    UpstreamConfig upstream = first.upstreams[i];
    upstream.id = UpstreamId{first_id + 1 + i};
    upstream.named.clear();
    for (uint32_t server = 0; server < upstream.peers.size(); ++server) {
      PeerConfig& peer = upstream.peers[server];
      peer.id = PeerId{++next_peer};
      peer.server = server;
      upstream.named.push_back({question_of(server), peer});
    }
    conf->upstreams.push_back(std::move(upstream));
  }
  const auto moved = [&](UpstreamId id) {
    const auto place =
        std::find_if(first.upstreams.begin(), first.upstreams.end(),
                     [id](const UpstreamConfig& upstream) { return upstream.id == id; });
    return UpstreamId{first_id + 1 + static_cast<uint32_t>(place - first.upstreams.begin())};
  };
  for (const RouteConfig& each : first.routes) {
    RouteConfig route = each;
    route.upstream = moved(each.upstream);
    for (RouteConfig& way : route.authorizer) way.upstream = moved(way.upstream);
    conf->routes.push_back(std::move(route));
  }
  conf->index_routes();
  return ConfigRef(conf);
}

}  // namespace

ConfigRef copy_of(const Config& conf) {
  Config* const copy = with_settings_of(conf);
  add_listeners(conf, *copy);
  copy->upstreams = conf.upstreams;
  copy->routes = conf.routes;
  copy->index_routes();
  return ConfigRef(copy);
}

void Reloads::plan(World& world) {
  if (!random_.chance(30)) return;
  planned_ = random_.chance(50) ? 1 : random_.between(2, 8);
  for (size_t i = 0; i < planned_; ++i) {
    world.after(random_.between(0, 3'000 * ms), [this] { ++due_; });
  }
  if (!moves_.chance(70)) return;
  moves_planned_ = moves_.between(1, 6);
  for (size_t i = 0; i < moves_planned_; ++i) {
    world.after(moves_.between(0, 3'500 * ms), [this] { ++moves_due_; });
  }
}

// Some servers' names lead to the same address under a number that is new to the worker. Now and
// then the message is of a conf that is still to come, or of one that is no more.
void Reloads::move_peers(Worker& worker, const Config& first) {
  Members members;
  members.generation = adopted_ + 1 + (moves_.chance(10) ? 1u : 0u) - (moves_.chance(10) ? 1u : 0u);
  for (uint32_t i = 0; i < first.upstreams.size(); ++i) {
    const UpstreamConfig& upstream = first.upstreams[i];
    for (uint32_t server = 0; server < upstream.peers.size(); ++server) {
      if (moves_.chance(30)) continue;
      members.named.push_back({UpstreamId{adopted_ * ids_a_conf + 1 + i},
                               server,
                               {{upstream.peers[server].address, 0, 0}},
                               {PeerId{next_moved_id_++}}});
    }
  }
  worker.on_members(members);
}

void Reloads::adopt_due(World& world, Worker& worker, const Config& first,
                        size_t buffer_memory_bytes) {
  for (; due_ > 0; --due_) {
    const uint32_t generation = ++adopted_;
    LoadedConf loaded{newer(first, generation),
                      {generation + 1, 1, buffer_memory_bytes},
                      {{first.listeners[0].id, 0, -1}}};  // it has that one
    if (!worker.adopt(loaded)) world.fail("a conf is not adopted");
  }
  for (; moves_due_ > 0; --moves_due_) {
    if (adopted_ > 0) move_peers(worker, first);  // before, servers have no names
  }
}

std::string Reloads::text() const {
  if (planned_ == 0) return "";
  return ", " + std::to_string(planned_) + " reloads, " + std::to_string(moves_planned_) + " moves";
}

}  // namespace sluice::sim
