// The simulation's wall clock stays within a day: most tokens are good or bad throughout it.
#include "tests/sim/token_plan.h"

#include "tests/sim/world.h"
#include "tests/unit/jwt_testing.h"
#include "tls/jwt_keys.h"

namespace sluice::sim {

namespace {

struct Row {
  const char* header;
  const char* claims;
  const char* secret;
};

constexpr const char* header = R"({"alg":"HS256"})";
constexpr const char* secret = testing::jwt_secret;

constexpr Row good[] = {
    {header, R"({"iss":"sim"})", secret},
    {header, R"({"iss":"sim","sub":"al","exp":1900000000.5,"nbf":1600000000})", secret},
    {R"({"alg":"HS256","kid":"any","jku":"http://x/"})", R"({"iss":"sim","exp":1e300})", secret},
};

constexpr Row bad[] = {
    {header, R"({"iss":"sim","exp":1600000000})", secret},
    {header, R"({"iss":"sim","nbf":1900000000})", secret},
    {header, R"({"iss":"other"})", secret},
    {header, R"({})", secret},
    {header, R"({"iss":"sim","iss":"sim"})", secret},
    {header, R"({"iss":"sim","exp":"1900000000"})", secret},
    {header, R"([])", secret},
    {header, R"({"iss":"sim"})", "another secret of 32 bytes, or so"},
    {R"({"alg":"none"})", R"({"iss":"sim"})", secret},
    {R"({"alg":"RS256"})", R"({"iss":"sim"})", secret},
    {R"({"alg":"HS256","crit":["x"]})", R"({"iss":"sim"})", secret},
    {R"({"alg":"HS256","alg":"HS256"})", R"({"iss":"sim"})", secret},
};

std::string token_of(const Row& row) {
  return testing::token(testing::hmac_key(row.secret).get(), row.header, row.claims);
}

}  // namespace

uint64_t wall_clock_setting(uint64_t now_ms) {
  return now_ms / 4'096;
}

uint64_t wall_clock_at(uint64_t now_ms) {
  constexpr uint64_t hour_ms = 3'600'000;
  return 1'700'000'000'000 + now_ms + Random(wall_clock_setting(now_ms)).below(9) * hour_ms;
}

void demand_tokens(Random random, Config& config) {
  Random apart(random.next() ^ 0x7e4);  // draws of its own, which shift nobody else's
  JwtKeyRef key;
  for (RouteConfig& route : config.routes) {
    if (!apart.chance(30) || route.http) continue;
    if (key == nullptr) key = shared(std::move(JwtKey::from_secret(secret).value()));
    route.jwt_places = {{JwtPlace::Kind::cookie, "token"}, {JwtPlace::Kind::bearer}};
    route.jwt_keys = {key};
    route.jwt_issuers = {"sim"};
    route.jwt_leeway_ms = 0;
    route.jwt_close_code = 4'321;  // nobody else's
  }
}

namespace {

// A token that lets its client in and expires while the session may live.
std::string short_token(Random& random, SessionPlan& plan) {
  const uint64_t begins_ms = world().now_ms() + plan.start_ns / ms;
  const uint64_t lives_ms = random.between(200, 3'000);
  plan.token_ends_ms = begins_ms + lives_ms;
  const uint64_t ends_ms = wall_clock_at(begins_ms) + lives_ms;
  const std::string claims = R"({"iss":"sim","exp":)" + std::to_string(ends_ms / 1'000) + "." +
                             std::to_string(1'000 + ends_ms % 1'000).substr(1) + "}";
  return token_of({header, claims.c_str(), secret});
}

}  // namespace

std::string plan_token(Random random, SessionPlan& plan) {
  Random apart(random.next() ^ 0x70e);
  const bool spoils = plan.asking == Asking::upgrade && apart.chance(30);
  if (!spoils && plan.asking == Asking::upgrade && apart.chance(40)) {
    return "Bearer " + short_token(apart, plan);
  }
  if (!spoils) return "Bearer " + token_of(good[apart.below(std::size(good))]);
  plan.asking_statuses = {401};
  switch (apart.below(10)) {
    case 0:
      return "Basic YTpi";  // no token
    case 1:
      return "Bearer " + token_of(good[0]) + "x";
    default:
      return "bearer " + token_of(bad[apart.below(std::size(bad))]);
  }
}

}  // namespace sluice::sim
