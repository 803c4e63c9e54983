// TLS in a run: mostly two ends that understand each other.
#include "tests/sim/tls_plan.h"

#include <algorithm>

#include "net/check.h"
#include "tests/sim/tls_ground.h"
#include "tests/sim/world.h"
#include "tls/tickets.h"

namespace sluice::sim {

namespace {

// Any first message of the TLS handshake is longer.
constexpr uint64_t first_bytes = 100;
constexpr uint64_t handshake_bytes = 700;

// What 1.2 and 1.3 do is different enough to try each alone.
TlsPolicy make_policy(Random& random) {
  TlsPolicy policy;
  const uint64_t roll = random.below(10);
  policy.protocols.tls12 = roll >= 4;
  policy.protocols.tls13 = roll < 8;
  if (random.chance(10)) policy.ciphers = "TLS_CHACHA20_POLY1305_SHA256";
  return policy;
}

void secure_listener(Random& random, Scenery& scenery, Config& config) {
  TlsServerSettings settings;
  settings.credentials.push_back(TlsGround::get().credentials());
  settings.policy = make_policy(random);
  settings.policy.resumption.lifetime_s = random.chance(70) ? 3'600 : 0;
  if (random.chance(20)) {
    settings.verify_client = random.chance(50) ? VerifyClient::on : VerifyClient::optional;
    settings.client_authorities = TlsGround::get().authority();
  }
  settings.http2 = scenery.http2;
  scenery.certificates_needed = settings.verify_client == VerifyClient::on;
  config.listeners[0].tls = std::move(TlsServer::make(std::move(settings)).value());
}

void secure_upstream(Random& random, Scenery& scenery, UpstreamConfig& upstream) {
  TlsClientSettings settings;
  settings.policy = make_policy(random);
  settings.policy.resumption.lifetime_s = 3'600;
  settings.authorities = TlsGround::get().authority();
  settings.verify = random.chance(90);
  upstream.tls = std::move(TlsClient::make(settings).value());
  for (PeerConfig& peer : upstream.peers) {
    peer.uri = parse_server_uri("wss://" + peer.name).value();
    Dialling& dialling = scenery.diallings[peer.address.port() - first_server_port];
    dialling.tls.secure = true;
    if (!random.chance(10)) continue;
    switch (random.below(3)) {
      case 0:
        dialling.tls.shown = random.pick<Shown>({Shown::untrusted, Shown::wrong_name});
        dialling.tls.refused = settings.verify;
        break;
      default:
        using Kind = TlsTrouble::Kind;
        dialling.tls.trouble.in_handshake = true;
        dialling.tls.trouble.kind =
            random.pick<Kind>({Kind::truncate, Kind::stall, Kind::plaintext, Kind::alert});
        // In the middle of a record others would be waited for as a part of it.
        if (dialling.tls.trouble.kind == Kind::truncate ||
            dialling.tls.trouble.kind == Kind::stall) {
          dialling.tls.trouble.at = random.below(first_bytes);
        }
    }
  }
}

TlsTrouble make_trouble(Random& random, const PeerPlan& peer, bool may_spoil_handshake) {
  using Kind = TlsTrouble::Kind;
  TlsTrouble trouble;
  trouble.in_handshake = may_spoil_handshake && random.chance(40);
  trouble.kind = random.pick<Kind>({Kind::damage, Kind::truncate, Kind::truncate, Kind::stall,
                                    Kind::plaintext, Kind::alert, Kind::notify, Kind::key_flood});
  if (!trouble.in_handshake) {
    // As often behind the handshake as in it.
    const uint64_t opening = peer.opening_bytes();
    trouble.at = random.chance(20) ? random.below(opening + 1)
                                   : opening + random.below(peer.total_bytes() - opening + 1);
    return trouble;
  }
  if (trouble.kind >= Kind::key_flood) trouble.kind = Kind::truncate;
  trouble.at =
      random.chance(20) ? 0 : random.below(random.chance(60) ? first_bytes : handshake_bytes);
  return trouble;
}

TlsHabits make_habits(Random& random, const PeerPlan& peer, bool may_spoil_handshake) {
  TlsHabits habits;
  habits.notifies = random.chance(70);
  habits.leaves_at_notify = random.chance(50);
  habits.hasty = random.chance(50);
  habits.resumes = random.chance(60);
  if (random.chance(25)) habits.key_update_percent = random.pick<unsigned>({5, 30, 100});
  if (peer.total_bytes() < 20'000 && random.chance(20)) habits.most_record_bytes = 64;
  if (peer.total_bytes() < 100'000 && random.chance(4)) habits.most_record_bytes = 1;
  if (random.chance(15)) habits.trouble = make_trouble(random, peer, may_spoil_handshake);
  return habits;
}

}  // namespace

void secure_scenery(Random& random, Scenery& scenery, Config& config) {
  use_ticket_keys(make_ticket_keys());
  const bool small = scenery.room == Room::small;
  scenery.tls = true;
  const uint64_t roll = random.below(3);  // the listener, upstreams or both
  if (roll != 0) secure_listener(random, scenery, config);
  for (UpstreamConfig& upstream : config.upstreams) {
    if (roll != 1 && random.chance(75)) secure_upstream(random, scenery, upstream);
  }
  // The TLS handshake takes some round trips, and long where a byte goes at a time.
  const uint32_t longer_ms = small ? 15'000 : scenery.slow_network ? 1'000 : 100;
  config.listeners[0].client_header_timeout_ms += longer_ms;
  for (RouteConfig& route : config.routes) route.handshake_timeout_ms += longer_ms;
}

void secure_plan(Random& random, const Scenery& scenery, SessionPlan& plan) {
  const Config& config = *scenery.config;
  const RouteConfig& route = config.routes[plan.route];
  if (config.listeners[0].tls != nullptr) {
    plan.client.tls = make_habits(random, plan.client, true);
    plan.client.tls->certified = random.chance(85);
    plan.speaks_plain_http = plan.asking == Asking::upgrade && random.chance(4);
    plan.mute = plan.asking == Asking::silence && random.chance(50);
  }
  if (config.upstream(route.upstream).tls != nullptr) {
    plan.upstream.tls = make_habits(random, plan.upstream, false);
  }
}

}  // namespace sluice::sim
