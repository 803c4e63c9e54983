// Counters: what a worker has done since its row was made. Rows lie in memory that the master and
// all workers share, so that a number outlives its worker. One writer a row, any number of readers:
// no lock, and no read-modify-write that another processor could see.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/ids.h"
#include "core/observe/end_cause.h"
#include "net/heartbeat.h"
#include "protocol/frame_counts.h"

namespace sluice {

// One writer's number.
class Counter {
 public:
  void add(uint64_t more) {
    number_.store(number_.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  }
  uint64_t value() const { return number_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> number_{0};
};

// One writer's number that goes up and down.
class Gauge {
 public:
  void set(uint64_t number) { number_.store(number, std::memory_order_relaxed); }
  uint64_t value() const { return number_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> number_{0};
};

// Parts that are drained at a time, at most.
inline constexpr size_t most_drains = 32;

// Of one of them.
struct DrainGauges {
  Gauge number;  // the order's; 0: there is none
  Gauge left;    // sessions that are still to be told, as far as the worker has looked
};

// What came from one side, and what became of it; bytes are of whole frames. Numbers only grow, so
// that those that are sums of them do, however they are read.
struct TrafficCounters {
  Counter passed;     // accepted, and sent in the same turn
  Counter taken;      // accepted in other turns
  Counter let_go;     // sent in these
  Counter own;        // of frames of the proxy's own for the other side
  Counter dropped;    // accepted or own, and sent to nobody
  Counter waited_ms;  // how long the other side took nothing of what was there for it
  FrameCounts frames;

  uint64_t received() const { return passed.value() + taken.value(); }
  // To the other side, in its connection's hands.
  uint64_t sent() const { return passed.value() + let_go.value(); }
  // Accepted or own, and neither sent nor dropped yet.
  uint64_t queued() const;
  // Of data frames. Read while frames come it may be some bytes too few.
  uint64_t payload(bool masked) const;
};

// How often something took how long, in microseconds or milliseconds, as its name says: the n-th
// place counts what took at least 2^(n-1) and less than 2^n, the first one what took none, the last
// one all that took longer.
struct Durations {
  static constexpr size_t places = 32;
  std::array<Counter, places> counts;
  Counter sum;

  void add(uint64_t duration);
  // So many more at a place.
  void add_at(size_t place, uint64_t more) { counts[place].add(more); }
  static size_t place_of(uint64_t duration) {
    return std::min<size_t>(static_cast<size_t>(std::bit_width(duration)), places - 1);
  }
  uint64_t count() const;
};

// TLS handshakes with one kind of peer.
struct TlsCounters {
  std::array<std::array<Counter, 2>, 2> done;  // by: TLS 1.3 or before, resumed or not
  Counter failed;                              // of those that began

  // One that is done; `version` as OpenSSL names it.
  void count(std::string_view version, bool resumed) {
    done[version == "TLSv1.3" ? 1 : 0][resumed ? 1 : 0].add(1);
  }
};

// Why a connection got no session, not even one that is answered (RouteRow::answered).
enum class TurnedAway : uint8_t {
  no_place,  // worker_connections, and no room even for an answer
  drained,   // a TLS listener that is drained
  rate,      // handshake_rate, and no room for an answer or in TLS
  memory,    // none was left for it
  denied,    // `deny` of a TLS listener
  client,    // limit_connections of a TLS listener
  table,     // client_table_size, the same
};
inline constexpr size_t turned_away_kinds = static_cast<size_t>(TurnedAway::table) + 1;

// What clients were refused for, answered or not.
enum class ClientLimit : uint8_t {
  connections,           // limit_connections per client, of a route
  route_connections,     // the same per route
  listener_connections,  // the same of a listener
  handshakes,            // limit_handshakes
  table,                 // client_table_size: there was no room to count them
};
inline constexpr size_t client_limits = static_cast<size_t>(ClientLimit::table) + 1;

// Of one listener, by one worker.
struct ListenerRow {
  Counter accepted;
  std::array<Counter, turned_away_kinds> turned_away;  // of them
};

// What became of auth_request, by one worker.
struct AuthCounters {
  Counter admitted;
  Counter refused;
  Counter failed;      // no verdict came
  Counter from_cache;  // of those admitted and refused
};

// The answers that are counted each for itself: 0 stands for a handshake that ended without any.
// One more place is for all others.
inline constexpr std::array<uint16_t, 25> counted_answers{
    0,   101, 200, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405,
    408, 413, 414, 421, 426, 429, 431, 500, 501, 502, 503, 504};
inline constexpr size_t answer_places = counted_answers.size() + 1;
size_t answer_place(int status);

// Codes of Closes that are counted: 1000 to 1015 each for itself (1005: a Close without a code),
// then those of 3000 to 3999, of 4000 to 4999, and all others.
inline constexpr size_t close_places = 19;
size_t close_place(uint16_t code);

// The sides that may have ended a session, by Party (access_log.h).
inline constexpr size_t parties = 4;

// Of the handshakes and sessions of one route, by one worker.
struct alignas(64) RouteRow {
  TrafficCounters from_client;
  TrafficCounters from_upstream;
  Counter opened;  // sessions
  Counter lost;    // sessions that went with their worker: whoever finds it dead counts them
  std::array<std::array<Counter, end_kinds>, parties> closed;    // by Party and EndKind
  std::array<Counter, answer_places> answered;                   // handshakes; opened are no part
  std::array<Counter, answer_places> served;                     // plain requests
  std::array<std::array<Counter, close_places>, 2> close_codes;  // of Closes, by who sent them

  uint64_t closed_in_all() const;
  // Sessions that live. Read while the worker writes it may be one off, but never below 0.
  uint64_t active() const;
};

// The rows of one worker that bear a label. Its memory is others'.
struct LabelRows {
  static constexpr uint32_t no_route = 0;     // handshakes that ended before they had a route
  static constexpr uint32_t other = 1;        // routes without a row of their own
  static constexpr uint32_t first_route = 2;  // of the route with id 0

  std::span<RouteRow> routes;
  std::span<ListenerRow> listeners;  // by ListenerId; the last one is of those beyond

  static constexpr size_t place_of(RouteId id) { return first_route + static_cast<size_t>(id); }
  RouteRow& route(RouteId id) const {
    const size_t place = place_of(id);
    return routes[place < routes.size() ? place : other];
  }
  ListenerRow& listener(ListenerId id) const {
    const auto place = static_cast<size_t>(id);
    return listeners[place < listeners.size() ? place : listeners.size() - 1];
  }
};

// For a worker without a master.
struct FewLabelRows {
  std::array<RouteRow, 4> routes;
  std::array<ListenerRow, 2> listeners;

  LabelRows rows() { return {routes, listeners}; }
};

// What a process takes of the machine, as it last told, once a second; 0 where the system does not
// say. Time used goes on counting when another process takes its place.
struct ProcessGauges {
  Counter cpu_ms;
  Gauge resident_bytes;
  Gauge virtual_bytes;
  Gauge descriptors;
  Gauge most_descriptors;

  // It is dead.
  void clear() {
    for (Gauge* each : {&resident_bytes, &virtual_bytes, &descriptors, &most_descriptors}) {
      each->set(0);
    }
  }
};

// A worker's. All zero where its memory is. Rows share no cache line: each is written all the time.
struct alignas(64) WorkerRow {
  Heartbeat heartbeat;  // of its loop
  // Connections: each is turned away at once, or has a session, which is gone one day.
  Counter accepted;
  Counter turned_away;      // of them, those that not even an answer had room for
  Counter without_session;  // the same, and all others that had none
  Counter gone;
  // Sessions relay, or end before: as refused ones, whose handshake ended with an answer or without
  // any, or as failed ones, of which no handshake came, or none that ended.
  Counter refused;
  Counter failed;
  Counter served;  // plain requests that ended, with an answer or without any
  Counter reused;  // requests that came on a connection on which others were answered
  // Connections that speak HTTP/2, whose sessions were over with that, and their streams, each of
  // which has a session as an accepted connection has.
  Counter http2_connections;
  Counter http2_streams;
  Counter http2_peer_connections;  // toward servers
  Counter http2_peer_streams;      // on them
  // handshake_rate: times that a listener began to hold clients back, and connections refused.
  Counter held_back;
  Counter rate_refused;
  std::array<Counter, client_limits> limited;  // by ClientLimit
  Counter clients_forgotten;                   // by limit_handshakes, for want of room
  Counter relayed;                             // sessions that began to relay
  Counter starts;                              // processes that took this place
  Gauge pid;        // of the one that has it, while it accepts; 0: nobody does
  Gauge routes;     // so many of its LabelRows::routes may hold something, from the first one on
  Counter retries;  // peers that were dialled because one before had failed
  Counter upstream_reused;  // plain requests that a connection kept from others was taken for
  AuthCounters auth;
  Durations handshakes_ms;  // from the accept to the end of the answer, or to no answer
  Durations connects_ms;    // to peers, that were made
  Durations sessions_ms;    // from the accept to the end, of those that relayed
  TlsCounters tls_with_clients;
  TlsCounters tls_with_upstreams;
  Counter pings_to_client;  // of the proxy's own
  Counter pings_to_upstream;
  Durations client_round_trips;  // of those that were answered
  Durations upstream_round_trips;
  std::array<Counter, end_kinds> ended;  // relayed sessions that have ended, by EndKind
  std::array<DrainGauges, most_drains> drains;
  Gauge confs;  // that are in use: the one in force, and those that sessions began with
  // Of its loop and of what it lends to sessions, told once a second.
  Durations turns_us;   // from the end of a wait to the next one
  Gauge busy_permille;  // of the latest second or so
  Gauge ring_bytes;
  Gauge pipes;
  Counter log_lines_lost;
  ProcessGauges process;

  // The gauges of a worker that is dead.
  void clear_gauges();
  // Now: connections that are open, and those of them whose handshake has not ended. Read while the
  // worker writes they may be some off, but never below 0.
  uint64_t connections() const;
  uint64_t in_handshake() const;

  uint64_t ended_in_all() const {
    uint64_t sum = 0;
    for (const Counter& each : ended) sum += each.value();
    return sum;
  }
};
static_assert(std::atomic<uint64_t>::is_always_lock_free);

// What all routes had of it, by the worker of that row.
struct Traffic {
  uint64_t bytes = 0;
  uint64_t messages = 0;
};
Traffic traffic_from_clients(const WorkerRow& row, const LabelRows& labels);
Traffic traffic_from_upstreams(const WorkerRow& row, const LabelRows& labels);

// "accepted 3, turned away 0, ...": for the report that SIGUSR2 asks a worker for.
std::string text_of(const WorkerRow& row, const LabelRows& labels);
// As Prometheus would label it: "peer_close".
const char* name_of(EndKind kind);
// The same: "connections_per_client".
const char* name_of(ClientLimit limit);

}  // namespace sluice
