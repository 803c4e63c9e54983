// Run, plain requests: who makes them, who answers, and which connections are asked again.
#include <algorithm>
#include <string>
#include <utility>

#include "tests/sim/run.h"

namespace sluice::sim {

namespace {

constexpr uint64_t kept_slack_ns = 5 * ms;

}  // namespace

void Run::plan_visit(Random& random, Session& session) {
  session.visit_plan = make_visit(random, config_, session.plan, scenery_.room);
}

// Whether all of it gets through before any timeout, by a wide margin.
bool Run::permits_strict_visit(const Session& session) const {
  uint64_t bytes = 0;
  uint32_t least_ms = std::min(config_.listeners[0].client_header_timeout_ms,
                               std::max<uint32_t>(config_.listeners[0].keepalive_timeout_ms, 100));
  for (const PlainRequest& request : session.visit_plan->requests) {
    const RouteConfig& route = config_.routes[request.route];
    bytes += request.bytes() + request.answer.text.size() + 1'000;
    least_ms = std::min({least_ms, route.answer_timeout_ms, route.body_timeout_ms,
                         route.connect_timeout_ms, route.handshake_timeout_ms});
  }
  if (tls_) bytes = 2 * bytes + 20'000;
  return way_ns(session, bytes) + 60 * ms < least_ms * ms / 2 + 40 * ms;
}

// Its connection begins with plain requests, where it makes any, else with the upgrade.
void Run::attach_client(Session& session, Wire& wire) {
  if (!session.visit_plan) {
    session.client = std::make_unique<ClientPeer>(wire, session.plan.client, true, plans_.next());
    return session.record->attach_client(*session.client);
  }
  Visit::Circumstances circumstances;
  circumstances.strict = permits_strict_visit(session);
  const PeerPlan& upgrading = session.plan.client;
  const bool stays = upgrading.solid() && upgrading.cut == Cut::none;
  circumstances.patient =
      session.visit_plan->patient() && (session.visit_plan->upgrade_waits || stays);
  circumstances.reloaded = reloads_.any();
  for (const RouteConfig& route : config_.routes) {
    circumstances.sure_routes.push_back(surely_reached(scenery_, route));
  }
  for (const PlainRequest& request : session.visit_plan->requests) {
    circumstances.guard_statuses.push_back(
        guards_.status_of(config_.routes[request.route], request.id));
  }
  circumstances.forwarded_for = session.plan.introduction.forwarded_for;
  circumstances.introduction_bytes = session.plan.introduction.bytes();
  session.visit = std::make_unique<Visit>(*session.visit_plan, config_, scenery_.climate,
                                          std::move(circumstances));
  auto visitor = std::make_unique<Visitor>(wire, *session.visit_plan,
                                           "client " + std::to_string(session.plan.number),
                                           [&session] { session.client->start(); });
  session.client = std::make_unique<ClientPeer>(*visitor, session.plan.client, true, plans_.next());
  session.visit->attach_client(*visitor, *session.client, *session.record);
  wires_.push_back(std::move(visitor));
}

void Run::check_named(const Doorman& doorman, const Dialling& dialling, const std::string& client) {
  if (dialling.introduced && doorman.named() != client) {
    world_.fail("a PROXY header names " + doorman.named() + ", not " + client);
  }
}

// The request that X-Request names, by its session's number and its own.
void Run::greet_plain(Doorman& doorman, const Dialling& dialling, Dialling::Deaf deaf, bool kept) {
  const std::string& received = doorman.received();
  const size_t at = received.find("\r\nX-Request: ") + 13;
  const size_t dot = received.find('.', at);
  const size_t number = std::stoul(received.substr(at));
  if (number >= sessions_.size() || sessions_[number]->visit == nullptr) {
    world_.fail("a plain request of nobody's reached an upstream");
  }
  Session& session = *sessions_[number];
  const size_t request = std::stoul(received.substr(dot + 1));
  if (kept && !session.visit_plan->requests.at(request).repeatable()) {
    world_.fail("a kept connection is asked for what may not be made twice");
  }
  guards_.check(config_.routes[session.visit_plan->requests.at(request).route],
                guarded_id(received));
  session.visit->note_asked(doorman.wire().connection(), request);
  check_named(doorman, dialling, session.visit->client_of(request));
  if (deaf == Dialling::Deaf::ends) doorman.wire().close_both();
  if (deaf == Dialling::Deaf::resets) doorman.wire().reset();
  if (deaf != Dialling::Deaf::no) return;
  const uint64_t for_ms =
      config_.upstream(config_.routes[session.visit_plan->requests[request].route].upstream)
          .keepalive_timeout_ms;
  session.visit->answer(doorman, request,
                        [this, &dialling, for_ms](Wire& wire, size_t unread, bool ended) {
                          keep(wire, unread, ended, dialling, for_ms);
                        });
}

// A server awaits another request there, or is about to end the connection, or does so once it is
// asked. What it has ended it cannot answer on.
void Run::keep(Wire& wire, size_t unread, bool ended, const Dialling& dialling, uint64_t for_ms) {
  const bool dies = ended || kept_plans_.chance(15);
  Doorman& doorman = *doormen_.emplace_back(std::make_unique<Doorman>(
      wire, false, [this, &dialling, dies](Doorman& found) { greet_kept(found, dialling, dies); },
      unread));
  kept_.push_back({&doorman, world_.now_ns(), for_ms * ms});
  if (!kept_plans_.chance(25)) return;
  const bool reset = kept_plans_.chance(40);
  world_.after(kept_plans_.below(kept_plans_.pick<uint64_t>({ms, 20 * ms, 800 * ms})),
               [&doorman, reset] {
                 if (doorman.found() || doorman.wire().gone()) return;
                 if (reset) return doorman.wire().reset();
                 doorman.wire().close_both();
               });
}

void Run::greet_kept(Doorman& doorman, const Dialling& dialling, bool dies) {
  const std::string& received = doorman.received();
  if (received.find("\r\nX-Request: ") > received.find("\r\n\r\n")) {
    world_.fail("an upgrade on a kept connection");
  }
  ++reused_;
  greet_plain(doorman, dialling, dies ? Dialling::Deaf::ends : dialling.deaf, /*kept=*/true);
}

// What is kept ends in time, and nothing of it is forgotten.
void Run::check_kept(bool quiet) {
  for (const Kept& kept : kept_) {
    const Connection& connection = kept.doorman->wire().connection();
    if (connection.fd < 0 || kept.doorman->sent_bytes() > 0) continue;
    if (world_.now_ns() > kept.since_ns + kept.for_ns + kept_slack_ns) {
      world_.fail("a kept connection outlives upstream_keepalive_timeout");
    }
    if (quiet && connection.unread_by_proxy()) {
      world_.fail("the end of a kept connection is forgotten");
    }
  }
}

}  // namespace sluice::sim
