// In place of bcrypt a hash is right for its own text, and net/sys_bell is here.
#include "tests/sim/password_plan.h"

#include <algorithm>
#include <cstring>

#include "net/sys_bell.h"
#include "tests/sim/world.h"

namespace sluice::sim {

namespace {

PasswordProcess* process = nullptr;

bool same(const char* hash, const char* password) {
  return std::strcmp(hash, password) == 0;
}

constexpr const char* good = "Basic YW5uOmEtc2VjcmV0";  // ann:a-secret

constexpr const char* bad[] = {
    "",
    "Basic YW5uOmItc2VjcmV0",  // ann:b-secret
    "Basic ZXZlOmEtc2VjcmV0",  // eve:a-secret, whom nobody knows
    "Basic YW5u",              // without a colon
    "Basic !",
    "Bearer YW5uOmEtc2VjcmV0",
};

}  // namespace

void demand_passwords(Random random, Config& config) {
  Random apart(random.next() ^ 0xba51c);  // draws of its own, which shift nobody else's
  config.password_files = {{{"ann", "a-secret"}}};
  config.auth_basic_cache = apart.chance(50) ? 0 : 1;
  for (RouteConfig& route : config.routes) {
    if (!apart.chance(60) || route.http) continue;
    route.password_file = 1;
    route.auth_realm = "sim";
  }
}

std::string plan_password(Random random, SessionPlan& plan) {
  Random apart(random.next() ^ 0xba51d);
  if (plan.asking != Asking::upgrade || apart.chance(70)) return good;
  plan.asking_statuses = {401};
  return bad[apart.below(std::size(bad))];
}

PasswordProcess::PasswordProcess() {
  process = this;
}

PasswordProcess::~PasswordProcess() {
  process = nullptr;
}

bool PasswordProcess::holds_any() const {
  return std::any_of(places_.begin(), places_.end(),
                     [](const PasswordPlace& place) { return place.password[0] != '\0'; });
}

// A check takes its time, and another one of those that wait may come first.
void PasswordProcess::ring() {
  PasswordProcess* const rung = process;
  Random apart(world().seed() ^ world().now_ns());
  world().after(apart.below(40 * ms),
                [rung] { rung->checking_.check_one(world().now_ms(), same); });
}

}  // namespace sluice::sim

namespace sluice::sys {

void ring(std::atomic<uint32_t>&) {
  sim::PasswordProcess::ring();
}
void await_ring(std::atomic<uint32_t>&, uint32_t, uint32_t) {}
void become_background_thread() {}

}  // namespace sluice::sys
