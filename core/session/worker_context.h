// WorkerContext: what a worker lends to its sessions. One per worker; outlives every session.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/observe/counters.h"
#include "core/observe/log.h"
#include "core/peers/upstream.h"
#include "core/session/auth_cache.h"
#include "core/session/challenges.h"
#include "core/session/client_limits.h"
#include "core/session/close_reasons.h"
#include "core/session/drained.h"
#include "core/session/fair_share.h"
#include "core/session/known_passwords.h"
#include "core/session/password_queue.h"
#include "core/session/tracer.h"
#include "core/session/transit.h"
#include "core/session/upstream_pool.h"
#include "net/pool.h"
#include "net/reactor.h"
#include "net/sys.h"

namespace sluice {

class Http2Connections;
class Http2Peers;
class Session;

struct WorkerContext {
  Reactor& reactor;
  Reactor::HandlerId handler;  // finds sessions by their handles
  Pool<Session>& sessions;
  TransitPool& transits;
  Log& log;
  WorkerRow& row;
  LabelRows labels;
  UpstreamTable& upstreams;  // those of every Config that a session holds
  ConfigRef config;          // for sessions that begin now
  // What the ids of its sessions begin with, unique within a log: "0-tjx4k2-" is worker 0 and the
  // second of its start in base 36.
  std::string id_prefix;
  // The id of the session, or of the client turned away, that has this number: "0-tjx4k2-17".
  std::string id_text(uint64_t number) const { return id_prefix + std::to_string(number); }

  // Sessions with a target that takes nothing; the worker looks through them (check_stalls).
  std::vector<Handle> stalled = {};
  // Refused clients that have their answer and have not ended their side, the longest first, with
  // handles of ended ones among them; `lingering_now` of them live. They take no session's place.
  std::deque<Handle> lingering = {};
  size_t lingering_now = 0;
  size_t waiting_now = 0;  // sessions of clients that may ask again
  FairShare fair_share = {};
  Drained drained = {};
  Tracer tracer = {};
  CloseReasons close_reasons = {};
  Http2Connections* http2 = nullptr;  // null: none is spoken
  Http2Peers* http2_peers = nullptr;  // the same toward upstreams
  UpstreamPool upstream_pool{reactor, upstreams.peers()};
  Challenges challenges = {};  // that acme_dir holds
  AuthCache auth_cache = {};
  ClientLimits clients = {};
  PasswordQueue passwords = {};  // none: nobody checks
  KnownPasswords known_passwords = {};
  // What strangers must not guess of this worker's pings; made when it is first asked for.
  uint64_t secret_for_pings() {
    while (ping_secret == 0) sys::random_bytes(&ping_secret, sizeof ping_secret);
    return ping_secret;
  }

  uint64_t next_session = 1;
  uint64_t relaying = 0;     // sessions in that state now
  bool leaving = false;      // the worker accepts nobody any more
  uint64_t ping_secret = 0;  // 0: none was made yet
};

}  // namespace sluice
