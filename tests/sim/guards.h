// Guards: authorizers that stand before some of a run's routes (auth_request), what each says of a
// request, and who was let in.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "net/address.h"
#include "tests/sim/connection.h"
#include "tests/sim/peer.h"
#include "tests/sim/random.h"
#include "tests/sim/wire.h"

namespace sluice::sim {

// Seeds from there on have guards; those below it mean what they always meant.
inline constexpr uint64_t first_guarded_seed = 200'000;

// The longest that the route's guard is waited for, on a kept connection and then on a new one.
inline uint32_t guard_ms(const RouteConfig& route) {
  if (route.authorizer.empty()) return 0;
  const RouteConfig& way = route.authorizer.front();
  return 2 * (way.connect_timeout_ms + way.handshake_timeout_ms);
}

// Puts one before most routes. `next_peer` is the first id that no peer has.
void put_guards(Random random, Config& config, uint32_t next_peer);

class Guards {
 public:
  enum class Said : uint8_t {
    yes,
    no,       // 401 with a body
    error,    // 500
    silence,  // for good
    reset,
    half,  // an answer that breaks off
  };

  explicit Guards(uint64_t seed) : seed_(seed), random_(seed ^ 0x9a7d) {}

  // Whether somebody of theirs has that address.
  static bool at(const Address& address);
  // As Dialled::on_connect.
  int on_connect(Connection& connection);

  // What is said of a request: "5" is session 5's upgrade, "5.0" its first plain one.
  Said said_of(const std::string& id) const;
  // What its client is told: 0 where it is let in.
  int status_of(const RouteConfig& route, const std::string& id) const;
  // A request has come to an upstream: fails the world where nobody let it in.
  void check(const RouteConfig& route, const std::string& id) const;

 private:
  Doorman& await_question(Wire& wire);
  void judge(Doorman& doorman);
  void answer(Wire& wire, const std::string& text, bool stays);

  uint64_t seed_;
  Random random_;
  std::vector<std::unique_ptr<Wire>> wires_;
  std::vector<std::unique_ptr<Doorman>> doormen_;
  std::set<std::string> let_in_;
};

// The id of the request in that head, as above.
std::string guarded_id(std::string_view head);

}  // namespace sluice::sim
