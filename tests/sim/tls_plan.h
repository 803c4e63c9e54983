// TLS in a run: which legs are in it and what goes wrong there. Drawn from a stream of its own, so
// that runs without TLS are what they were.
#pragma once

#include "core/config.h"
#include "tests/sim/plan.h"
#include "tests/sim/random.h"
#include "tests/sim/scenery.h"

namespace sluice::sim {

// Puts the listener, upstreams or both into TLS.
void secure_scenery(Random& random, Scenery& scenery, Config& config);
// The habits of both peers of a planned session.
void secure_plan(Random& random, const Scenery& scenery, SessionPlan& plan);

}  // namespace sluice::sim
