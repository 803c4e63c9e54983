// Scenery: what a run is made of besides its sessions, namely the conf, the kernel's rules,
// networks and upstream addresses that answer, refuse or hang.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config.h"
#include "net/ring.h"
#include "tests/sim/kernel.h"
#include "tests/sim/random.h"
#include "tests/sim/record.h"
#include "tests/sim/tls_ground.h"

namespace sluice::sim {

// How a server address is in TLS.
struct DiallingTls {
  bool secure = false;
  Shown shown = Shown::good;
  bool refused = false;  // by the proxy, for what is shown
  TlsTrouble trouble;    // in the TLS handshake
};

// What happens to whoever connects to a server address.
struct Dialling {
  enum class Kind : uint8_t {
    accept,
    accept_at_once,  // as unix sockets do
    refuse,
    refuse_at_once,
    unreachable,  // EHOSTUNREACH, late
    hang,
    too_late,  // accepted when nobody waits any more
  } kind = Kind::accept;
  uint64_t delay_ns = 0;
  // What becomes of a request that it has taken: another server must be asked then.
  enum class Deaf : uint8_t { no, silent, ends, resets } deaf = Deaf::no;
  bool introduced = false;  // awaits a PROXY header before anything else
  DiallingTls tls;

  bool connects() const { return kind == Kind::accept || kind == Kind::accept_at_once; }
  bool spoils_tls() const { return tls.refused || tls.trouble.kind != TlsTrouble::Kind::none; }
  bool reaches() const { return connects() && !spoils_tls() && deaf == Deaf::no; }
  bool stalls() const { return connects() && tls.trouble.kind == TlsTrouble::Kind::stall; }
  bool times_out() const {
    return kind == Kind::hang || kind == Kind::too_late || stalls() ||
           (connects() && !spoils_tls() && deaf == Deaf::silent);
  }
};

struct Scenery {
  ConfigRef config;
  std::vector<Dialling> diallings;  // of server n, which is 10.0.0.1:9000+n
  Kernel::Rules kernel;
  Climate climate;
  uint32_t worker_connections = 1'000;
  size_t buffer_memory_bytes = BufferPool::default_most_bytes;
  size_t sessions = 1;
  Room room = Room::ordinary;
  bool slow_network = false;
  uint64_t leave_ns = 0;     // SIGTERM comes so long after the beginning; 0: never
  uint64_t drain_at_ns = 0;  // the worker drains everybody from then on, as Climate says; 0: never
  uint64_t command_ns = 0;   // some sessions are ended by command from then on; 0: none
  std::string command_reason;
  uint64_t quit_ns = 0;  // the same for a SIGQUIT that does not wait for the sessions' end
  bool access_log = false;
  bool broken_access_log = false;
  bool tls = false;
  bool http2 = false;                // clients may speak it
  bool certificates_needed = false;  // of clients
};

inline constexpr uint16_t first_server_port = 9'000;

// Seeds from there on, up to first_guarded_seed (guards.h), may have a handshake_rate; those below
// it mean what they always meant.
inline constexpr uint64_t first_storm_seed = 100'000;

// With a `tls` some of it is in TLS, as that says; with an `http2` the listener speaks HTTP/2; with
// `storms` there may be a handshake_rate,
// with `guarded` authorizers stand before routes.
Scenery make_scenery(Random& random, Random* tls, Random* http2, bool splice, bool storms,
                     bool guarded);
Link make_link(Random& random, const Scenery& scenery);
// What a client of that route is told where no server can be reached; empty where one can.
std::vector<int> dial_statuses(const Scenery& scenery, const RouteConfig& route);
// Whether each server of that route can be reached, by however many.
bool surely_reached(const Scenery& scenery, const RouteConfig& route);

}  // namespace sluice::sim
