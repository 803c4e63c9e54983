// Passwords: routes that ask for one, what their clients bring, and the process that checks them.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "core/config.h"
#include "core/session/password_queue.h"
#include "tests/sim/plan.h"
#include "tests/sim/random.h"

namespace sluice::sim {

// Seeds from here on draw them, and no tokens, so that older ones mean what they meant.
inline constexpr uint64_t first_seed_with_passwords = 400'000;

// Some routes that serve WebSockets alone ask for one.
void demand_passwords(Random random, Config& config);

// An Authorization field's value for a client of such a route, "" for none: mostly one that lets it
// in, now and then one that must be refused, as the plan says then.
std::string plan_password(Random random, SessionPlan& plan);

// Checks one of those that wait some time after the bell rang. One a run.
class PasswordProcess {
 public:
  PasswordProcess();
  PasswordProcess(const PasswordProcess&) = delete;
  PasswordProcess& operator=(const PasswordProcess&) = delete;
  ~PasswordProcess();

  PasswordQueue queue() { return {places_, &bell_}; }
  // Whether a password is still there.
  bool holds_any() const;
  // In the process's place, when one was asked.
  static void ring();

 private:
  std::array<PasswordPlace, 64> places_;
  std::atomic<uint32_t> bell_{0};
  PasswordQueue checking_{places_, &bell_};
};

}  // namespace sluice::sim
