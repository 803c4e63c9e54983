// Plans: the mix of sessions, from two peers that behave to one that does anything at all.
#include "tests/sim/plan.h"

#include <algorithm>

#include "tests/sim/traffic.h"
#include "tests/sim/world.h"

namespace sluice::sim {

namespace {

struct Volume {
  size_t most_messages = 8;
  size_t largest_bytes = 2'000;
};

Volume choose_volume(Random& random, Room room, bool splice) {
  if (room == Room::small) return {3, 150};
  if (splice && random.chance(70)) return {6, random.chance(10) ? size_t{500'000} : 200'000};
  // More than a turn may move, and rings that are full and wrap anywhere.
  if (room == Room::large && random.chance(70)) {
    return random.pick<Volume>({{3, 700'000}, {1'500, 120}, {5'000, 2}});
  }
  const uint64_t roll = random.below(100);
  if (roll < 3) return {6, 300'000};
  if (roll < 10) return {4, 100'000};
  if (roll < 20) return {40, 4'000};
  if (roll < 25) return {200, 300};  // many small ones, which rings cut anywhere
  return {8, 2'000};
}

void plan_frames(Random& random, const Volume& volume, const RouteConfig& route, bool masked,
                 SessionPlan& plan, PeerPlan& peer) {
  Traffic::Rules rules;
  rules.masked = masked;
  rules.deflate = plan.deflate;
  rules.max_message_bytes = route.max_message_bytes;
  rules.most_small_fragments = route.max_small_fragments;
  rules.control_burst = route.control_frame_rate.burst;
  rules.largest_bytes = volume.largest_bytes;
  const bool burst = volume.most_messages >= 100;
  rules.pause_ns =
      burst || random.chance(50) ? 0 : random.pick<uint64_t>({500 * us, 2 * ms, 5 * ms});
  if (!burst && random.chance(4)) {
    rules.pause_ns = 3 * second;
    peer.pauses = true;
  }
  Traffic traffic(random, rules, peer.pieces);
  traffic.messages(random.chance(10) ? 0 : random.below(volume.most_messages + 1));
  if (peer.hostile) {
    plan.wrong_reason = traffic.wrong();
    traffic.messages(random.below(3));
  }
}

void plan_ending(Random& random, SessionPlan& plan) {
  const uint64_t roll = random.below(100);
  plan.client.sends_close = roll < 45 || (roll >= 90 && roll < 97);
  plan.upstream.sends_close = roll >= 45 && roll < 97;  // the rest is left to idle_timeout
  for (PeerPlan* peer : {&plan.client, &plan.upstream}) {
    peer->close_code = random.pick<uint16_t>({1000, 1000, 1001, 1005, 1012, 3000, 4999});
    if (peer->close_code != 1005 && random.chance(30)) peer->close_reason = "enough";
    peer->answer_delay_ns = random.chance(70) ? 0 : random.below(20 * ms);
  }
}

// One thing that goes wrong with one peer, apart from its frames.
void plan_trouble(Random& random, PeerPlan& peer) {
  switch (random.below(12)) {
    case 10:
    case 11:  // long enough for smaller rings, and mostly for less than send_timeout
      peer.reader.pace = Reader::Pace::dozing;
      peer.reader.stuck_after = random.below(random.chance(50) ? 500 : 20'000);
      peer.reader.nap_ns = random.between(200, 2'500) * ms;
      return;
    case 0:
      peer.reader.pace = Reader::Pace::slow;
      peer.reader.bytes = random.between(1, 2'000);
      peer.reader.every_ns = random.between(1, 20) * ms;
      return;
    case 1:
    case 2:
      peer.reader.pace = Reader::Pace::stuck;
      peer.reader.stuck_after = random.below(random.chance(50) ? 500 : 20'000);
      return;
    case 3:
      peer.answers_close = false;
      return;
    case 4:
      peer.answers_close = false;
      peer.closes_stream = false;
      return;
    case 5:
      peer.answer_delay_ns = random.below(4 * second);
      peer.pauses = true;
      return;
    default:
      break;
  }
  peer.cut = random.pick<Cut>({Cut::fin, Cut::fin, Cut::half_close, Cut::half_close, Cut::reset,
                               Cut::reset, Cut::silence, Cut::freeze});
  peer.cut_at = random.below(peer.total_bytes() + 2);
  if (random.chance(25)) {  // exactly behind the handshake or some frame
    peer.cut_at = peer.opening_bytes();
    for (const Piece& piece : peer.pieces) {
      if (random.chance(30)) break;
      peer.cut_at += piece.bytes.size();
    }
  }
}

void plan_pongs(Random& random, PeerPlan& peer) {
  if (!random.chance(30)) return;
  peer.pongs = random.pick<Pongs>({Pongs::late, Pongs::wrong, Pongs::never});
  peer.pong_delay_ns = random.below(3 * second);
}

void choose_kind(Random& random, SessionPlan& plan) {
  const uint64_t roll = random.below(100);
  if (roll >= 45 && roll < 63) {
    (random.chance(50) ? plan.client : plan.upstream).hostile = true;
  } else if (roll >= 63 && roll < 72) {
    plan.asking = random.pick<Asking>({Asking::wrong, Asking::wrong, Asking::wrong, Asking::wrong,
                                       Asking::silence, Asking::never});
  } else if (roll >= 72 && roll < 80) {
    plan.answer = random.pick<Answer>({Answer::wrong, Answer::wrong, Answer::refusal,
                                       Answer::refusal, Answer::refusal, Answer::never});
  }
}

JudgeRules rules_from(const RouteConfig& route, bool masked, bool deflate) {
  JudgeRules rules;
  rules.masked = masked;
  rules.deflate = deflate;
  rules.utf8 = route.validate_utf8;
  rules.max_message_bytes = route.max_message_bytes;
  rules.most_small_fragments = route.max_small_fragments;
  rules.controls_a_second = route.control_frame_rate.a_second;
  rules.control_burst = route.control_frame_rate.burst;
  return rules;
}

}  // namespace

uint64_t PeerPlan::opening_bytes() const {
  uint64_t sum = 0;
  for (const Piece& piece : opening) sum += piece.bytes.size();
  return sum;
}

uint64_t PeerPlan::total_bytes() const {
  uint64_t sum = opening_bytes();
  for (const Piece& piece : pieces) sum += piece.bytes.size();
  return sum;
}

JudgeRules SessionPlan::rules_from_client(const RouteConfig& route_config) const {
  return rules_from(route_config, true, deflate);
}

JudgeRules SessionPlan::rules_from_upstream(const RouteConfig& route_config) const {
  return rules_from(route_config, false, deflate);
}

SessionPlan make_plan(Random& random, const Config& config, uint32_t number, Room room) {
  SessionPlan plan;
  plan.number = number;
  plan.route = static_cast<uint32_t>(random.below(config.routes.size()));
  plan.start_ns = random.chance(50) ? random.below(5 * ms) : random.below(2 * second);
  const RouteConfig& route = config.routes[plan.route];
  choose_kind(random, plan);
  plan_asking(random, route, plan);
  plan_answer(random, room, plan);
  const Volume volume = choose_volume(random, room, config.splice);
  plan_frames(random, volume, route, true, plan, plan.client);
  plan_frames(random, volume, route, false, plan, plan.upstream);
  plan_ending(random, plan);
  // Not drawn, so that older seeds mean what they meant.
  plan.client.speaks_on = plan.start_ns % 3 == 0;
  plan.upstream.speaks_on = plan.start_ns % 2 == 0;
  const bool early = plan.asking == Asking::upgrade || plan.asking == Asking::wrong;
  if (early && random.chance(20)) {
    plan.client.early_pieces = random.chance(80) ? random.between(1, 5) : plan.client.pieces.size();
  }
  if (plan.answer != Answer::upgrade) {  // no frames behind it, and an end that a body may need
    plan.upstream.pieces.clear();
    plan.upstream.sends_close = false;
    plan.upstream.ends_after_opening = plan.answer == Answer::refusal || random.chance(50);
  }
  const bool ordinary =
      plan.asking == Asking::upgrade && !plan.client.hostile && !plan.upstream.hostile;
  if (ordinary ? random.chance(30) : random.chance(5)) {
    plan_trouble(random, random.chance(50) ? plan.client : plan.upstream);
  }
  if (random.chance(3)) plan_trouble(random, random.chance(50) ? plan.client : plan.upstream);
  Random apart = random;  // draws of its own, which shift nobody else's
  if (route.client_ping_interval_ms > 0 || route.upstream_ping_interval_ms > 0) {
    for (PeerPlan* peer : {&plan.client, &plan.upstream}) plan_pongs(apart, *peer);
  }
  // Only now, for what else was drawn does not depend on what its client brings.
  if (!plan.asking_statuses.empty()) plan.asking = Asking::wrong;
  return plan;
}

}  // namespace sluice::sim
