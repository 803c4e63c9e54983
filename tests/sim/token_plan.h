// JSON Web Tokens: routes that demand one, and what their clients bring.
#pragma once

#include <cstdint>
#include <string>

#include "core/config.h"
#include "tests/sim/plan.h"
#include "tests/sim/random.h"

namespace sluice::sim {

// Seeds from here on draw them, so that older ones mean what they meant.
inline constexpr uint64_t first_seed_with_tokens = 300'000;

// The wall clock is set forward and back by hours every few seconds, as administrators do: how
// often it was by then, and what it shows.
uint64_t wall_clock_setting(uint64_t now_ms);
uint64_t wall_clock_at(uint64_t now_ms);

// Some routes that serve WebSockets alone demand one, signed with the simulation's one key.
void demand_tokens(Random random, Config& config);

// An Authorization field's value for a client of such a route: mostly one that lets it in, now and
// then one that must be refused, as the plan says then.
std::string plan_token(Random random, SessionPlan& plan);

}  // namespace sluice::sim
