// Each number is true when it is read; together they are not of one instant, because workers go on.
#include "core/process/metrics.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <set>
#include <utility>
#include <vector>

#include "core/peers/peer_health.h"

namespace sluice {

namespace {

constexpr Buckets handshake_buckets{.first = 0, .last = 16};           // 1 ms to 65 s
constexpr Buckets session_buckets{.first = 6, .last = 28, .step = 2};  // 64 ms to 3 days
constexpr Buckets ping_buckets{.first = 6, .last = 24, .digits = 6};   // 64 us to 17 s

constexpr const char* sides[] = {"client", "upstream"};
constexpr const char* parties_told[] = {"client", "upstream", "proxy"};
constexpr size_t parties_in_all = std::size(parties_told);
constexpr const char* turned_away_told[turned_away_kinds] = {"worker_connections", "drained",
                                                             "handshake_rate"};

// The counters of a RouteRow, summed over workers.
struct RouteSums {
  struct Side {
    uint64_t bytes = 0;
    uint64_t messages = 0;
    std::array<uint64_t, close_places> close_codes{};
  };

  bool any = false;  // some worker has a row for it
  Side sides[2];
  uint64_t opened = 0;
  uint64_t lost = 0;
  uint64_t active = 0;
  std::array<std::array<uint64_t, end_kinds>, parties_in_all> closed{};
  std::array<uint64_t, answer_places> answered{};

  void add(const RouteRow& row);
};

template <class Sums, class Counters>
void add_all(Sums& sums, const Counters& counters) {
  for (size_t i = 0; i < sums.size(); ++i) sums[i] += counters[i].value();
}

void RouteSums::add(const RouteRow& row) {
  any = true;
  const TrafficCounters* const traffic[] = {&row.from_client, &row.from_upstream};
  for (size_t i = 0; i < 2; ++i) {
    sides[i].bytes += traffic[i]->bytes.value();
    sides[i].messages += traffic[i]->messages.value();
    add_all(sides[i].close_codes, row.close_codes[i]);
  }
  // In this order: what ends meanwhile is seen as open, and not as closed without having been.
  // Where no peer did anything, we did.
  for (size_t i = 0; i < parties; ++i) add_all(closed[(i + 2) % parties_in_all], row.closed[i]);
  lost += row.lost.value();
  opened += row.opened.value();
  add_all(answered, row.answered);
}

std::string close_name(size_t place) {
  if (place < 16) return std::to_string(1000 + place);
  return place == 16 ? "3xxx" : place == 17 ? "4xxx" : "_other";
}

std::string answer_name(size_t place) {
  if (place == counted_answers.size()) return "_other";
  return counted_answers[place] == 0 ? "none" : std::to_string(counted_answers[place]);
}

// The rows of all workers, and what is written of them.
class Writer {
 public:
  Writer(const MetricsSources& sources, MetricsFormat format)
      : from_(sources), text_(format), board_(sources.peers, 0) {
    for (uint32_t i = 0; i < from_.rows.workers(); ++i) workers_.push_back(&from_.rows.row(i));
    sum_routes();
  }

  std::string write();

 private:
  void sum_routes();
  void write_process();
  void write_connections();
  void write_tls();
  void write_handshakes();
  void write_sessions();
  void write_ends();
  void write_traffic();
  void write_pings();
  void write_peers();
  void write_names();
  void write_conf();
  void write_workers();
  template <class Visit>
  void each_route(Visit visit);
  void write_durations(const char* name, const char* help, Durations WorkerRow::*of,
                       const Buckets& buckets);
  void write_tls_side(const char* side, TlsCounters WorkerRow::*of);
  uint64_t sum_of(Counter WorkerRow::*of) const;

  const MetricsSources& from_;
  MetricsText text_;
  PeerBoard board_;
  std::vector<const WorkerRow*> workers_;
  std::vector<RouteSums> routes_;  // as LabelRows::routes
};

// What the conf has is told from the beginning; of the others what happened.
void Writer::sum_routes() {
  routes_.resize(LabelRows::first_route);
  for (uint32_t i = 0; i < workers_.size(); ++i) {
    const LabelRows labels = from_.rows.labels(i);
    const size_t rows = std::min<size_t>(workers_[i]->routes.value(), labels.routes.size());
    if (routes_.size() < rows) routes_.resize(rows);
    for (size_t place = 0; place < rows; ++place) routes_[place].add(labels.routes[place]);
  }
  for (RouteSums& each : routes_) {
    uint64_t over = each.lost;
    for (const auto& of_party : each.closed) {
      for (const uint64_t count : of_party) over += count;
    }
    each.active = std::max(each.opened, over) - over;
  }
}

template <class Visit>
void Writer::each_route(Visit visit) {
  for (size_t place = 0; place < routes_.size(); ++place) {
    if (!routes_[place].any) continue;
    if (place == LabelRows::no_route) {
      visit("_none", routes_[place]);
    } else if (place == LabelRows::other) {
      visit("_other", routes_[place]);
    } else if (const size_t id = place - LabelRows::first_route; id < from_.routes.size()) {
      visit(std::string_view(from_.routes[id]), routes_[place]);
    }  // else a worker uses a conf that has not come here yet
  }
}

uint64_t Writer::sum_of(Counter WorkerRow::*of) const {
  uint64_t sum = 0;
  for (const WorkerRow* row : workers_) sum += (row->*of).value();
  return sum;
}

void Writer::write_process() {
  text_.gauge("sluice_build_info", "The version that runs; always 1.");
  text_.sample({{"version", SLUICE_VERSION}}, 1);
  text_.gauge("process_start_time_seconds", "When the master started, since 1970.");
  text_.sample({}, from_.rows.master().started_s.value());
}

void Writer::write_connections() {
  struct Sums {
    uint64_t accepted = 0;
    std::array<uint64_t, turned_away_kinds> turned_away{};
  };
  const size_t named = std::min(from_.listeners.size(), CounterRows::most_listeners);
  std::vector<Sums> sums(named + 1);
  for (uint32_t i = 0; i < workers_.size(); ++i) {
    const LabelRows labels = from_.rows.labels(i);
    for (size_t place = 0; place <= named; ++place) {
      const ListenerRow& row =
          labels.listeners[place < named ? place : CounterRows::most_listeners];
      sums[place].accepted += row.accepted.value();
      add_all(sums[place].turned_away, row.turned_away);
    }
  }
  const auto name = [&](size_t place) {
    return place < named ? std::string_view(from_.listeners[place]) : "_other";
  };
  text_.counter("sluice_connections_accepted", "Connections that were accepted.");
  for (size_t i = 0; i <= named; ++i) {
    if (i < named || sums[i].accepted > 0) {
      text_.sample({{"listener", name(i)}}, sums[i].accepted);
    }
  }
  text_.counter("sluice_connections_refused",
                "Accepted connections that were turned away before their request was read.");
  for (size_t i = 0; i <= named; ++i) {
    for (size_t kind = 0; kind < turned_away_kinds; ++kind) {
      if (i == named && sums[i].turned_away[kind] == 0) continue;
      text_.sample({{"listener", name(i)}, {"reason", turned_away_told[kind]}},
                   sums[i].turned_away[kind]);
    }
  }
}

void Writer::write_tls_side(const char* side, TlsCounters WorkerRow::*of) {
  constexpr const char* versions[] = {"1.2", "1.3"};
  constexpr const char* no_or_yes[] = {"no", "yes"};
  for (size_t version = 0; version < 2; ++version) {
    for (size_t resumed = 0; resumed < 2; ++resumed) {
      uint64_t sum = 0;
      for (const WorkerRow* row : workers_) sum += (row->*of).done[version][resumed].value();
      text_.sample({{"side", side},
                    {"version", versions[version]},
                    {"resumed", no_or_yes[resumed]},
                    {"result", "done"}},
                   sum);
    }
  }
  uint64_t failed = 0;
  for (const WorkerRow* row : workers_) failed += (row->*of).failed.value();
  text_.sample({{"side", side}, {"version", ""}, {"resumed", ""}, {"result", "failed"}}, failed);
}

void Writer::write_tls() {
  text_.counter("sluice_tls_handshakes", "TLS handshakes with clients and with servers.");
  write_tls_side(sides[0], &WorkerRow::tls_with_clients);
  write_tls_side(sides[1], &WorkerRow::tls_with_upstreams);
}

void Writer::write_durations(const char* name, const char* help, Durations WorkerRow::*of,
                             const Buckets& buckets) {
  DurationSums sums;
  for (const WorkerRow* row : workers_) sums.add(row->*of);
  text_.histogram(name, help);
  text_.sample_histogram({}, sums, buckets);
}

// A handshake that opened a session is one with code 101: no worker counts it twice.
void Writer::write_handshakes() {
  text_.counter("sluice_handshakes",
                "Handshakes by what they were answered; none: they ended without an answer.");
  each_route([this](std::string_view route, const RouteSums& sums) {
    if (route != "_none") text_.sample({{"route", route}, {"code", "101"}}, sums.opened);
    for (size_t i = 0; i < answer_places; ++i) {
      if (sums.answered[i] == 0 || (route != "_none" && i == answer_place(101))) continue;
      text_.sample({{"route", route}, {"code", answer_name(i)}}, sums.answered[i]);
    }
  });
  write_durations("sluice_handshake_duration_seconds",
                  "From the accept to the end of the answer, or to the end without one.",
                  &WorkerRow::handshakes_ms, handshake_buckets);
  write_durations("sluice_upstream_connect_duration_seconds",
                  "How long connections to servers took, of those that were made.",
                  &WorkerRow::connects_ms, handshake_buckets);
  text_.counter("sluice_upstream_retries",
                "Peers that were dialled because one before had failed.");
  text_.sample({}, sum_of(&WorkerRow::retries));
}

void Writer::write_sessions() {
  const auto write = [this](auto value) {
    each_route([this, value](std::string_view route, const RouteSums& sums) {
      if (route != "_none") text_.sample({{"route", route}}, sums.*value);
    });
  };
  text_.gauge("sluice_sessions_active", "Sessions that relay now.");
  write(&RouteSums::active);
  text_.counter("sluice_sessions_opened", "Sessions that began to relay.");
  write(&RouteSums::opened);
}

void Writer::write_ends() {
  text_.counter("sluice_sessions_closed",
                "Sessions that ended, by who ended them and why; worker_died: with their worker.");
  each_route([this](std::string_view route, const RouteSums& sums) {
    for (size_t party = 0; party < parties_in_all; ++party) {
      for (size_t kind = 0; kind < end_kinds; ++kind) {
        const uint64_t count = sums.closed[party][kind];
        if (count == 0) continue;
        text_.sample({{"route", route},
                      {"by", parties_told[party]},
                      {"reason", name_of(static_cast<EndKind>(kind))}},
                     count);
      }
    }
    if (sums.lost == 0) return;
    text_.sample({{"route", route}, {"by", "proxy"}, {"reason", "worker_died"}}, sums.lost);
  });
  write_durations("sluice_session_duration_seconds",
                  "From the accept to the end, of sessions that relayed.", &WorkerRow::sessions_ms,
                  session_buckets);
  text_.counter("sluice_close_frames",
                "Close frames that came, by their code; 1005: without a code.");
  each_route([this](std::string_view route, const RouteSums& sums) {
    for (size_t side = 0; side < 2; ++side) {
      for (size_t i = 0; i < close_places; ++i) {
        const uint64_t count = sums.sides[side].close_codes[i];
        if (count == 0) continue;
        text_.sample({{"route", route}, {"from", sides[side]}, {"code", close_name(i)}}, count);
      }
    }
  });
}

void Writer::write_traffic() {
  const auto write = [this](const char* label, auto value) {
    each_route([this, label, value](std::string_view route, const RouteSums& sums) {
      if (route == "_none") return;
      for (size_t side = 0; side < 2; ++side) {
        text_.sample({{"route", route}, {label, sides[side]}}, sums.sides[side].*value);
      }
    });
  };
  text_.counter("sluice_messages", "WebSocket messages that were accepted from each side.");
  write("from", &RouteSums::Side::messages);
  text_.counter("sluice_received_bytes",
                "Bytes of WebSocket frames, headers included, that were accepted from each side.");
  write("side", &RouteSums::Side::bytes);
}

void Writer::write_pings() {
  text_.counter("sluice_pings", "Pings of the proxy's own.");
  text_.sample({{"side", sides[0]}}, sum_of(&WorkerRow::pings_to_client));
  text_.sample({{"side", sides[1]}}, sum_of(&WorkerRow::pings_to_upstream));
  text_.histogram("sluice_ping_rtt_seconds", "Until the pongs to them came.");
  DurationSums sums[2];
  for (const WorkerRow* row : workers_) {
    sums[0].add(row->client_round_trips);
    sums[1].add(row->upstream_round_trips);
  }
  for (size_t i = 0; i < 2; ++i) {
    text_.sample_histogram({{"side", sides[i]}}, sums[i], ping_buckets);
  }
}

void Writer::write_peers() {
  struct Told {
    const std::string* upstream;
    std::string peer;
    std::string server;
    PeerId id;
    bool checked;
  };
  std::vector<Told> peers;
  std::set<PeerId> once;
  for (const UpstreamConfig& upstream : from_.config.upstreams) {
    const bool checked = upstream.check.kind != CheckSettings::Kind::off;
    for (const PeerConfig& peer : peers_now(upstream, from_.members)) {
      if (!once.insert(peer.id).second || !board_.shares(peer.id)) continue;
      peers.push_back({&upstream.name, peer.name, text_of(peer.uri), peer.id, checked});
    }
  }
  const auto write = [this, &peers](auto value) {
    for (const Told& each : peers) {
      text_.sample({{"upstream", *each.upstream}, {"peer", each.peer}, {"server", each.server}},
                   value(each.id));
    }
  };
  text_.gauge("sluice_peer_up", "1: the peer gets sessions; 0: it is out for its failures.");
  write([this](PeerId id) -> uint64_t {
    return standing_of(board_.health(id), from_.now_ms) == Standing::up ? 1 : 0;
  });
  text_.gauge("sluice_peer_sessions_active", "Sessions with it, those that are dialling included.");
  write([this](PeerId id) -> uint64_t { return board_.active(id); });
  text_.counter("sluice_peer_failures", "Connections, TLS handshakes and answers that failed.");
  write([this](PeerId id) { return board_.health(id).failed.load(); });
  text_.counter("sluice_peer_outs", "How often it went out.");
  write([this](PeerId id) -> uint64_t { return board_.health(id).outs.load(); });
  text_.counter("sluice_peer_health_checks", "Checks of the peer that ended.");
  for (const Told& each : peers) {
    if (!each.checked) continue;
    const PeerHealth& health = board_.health(each.id);
    const uint64_t failed = health.failed_checks.load();
    const uint64_t made = std::max<uint64_t>(health.checks.load(), failed);
    for (const auto& [result, count] :
         {std::pair("passed", made - failed), std::pair("failed", failed)}) {
      text_.sample({{"upstream", *each.upstream},
                    {"peer", each.peer},
                    {"server", each.server},
                    {"result", result}},
                   count);
    }
  }
}

void Writer::write_names() {
  text_.counter("sluice_dns_queries", "Servers' names that were asked for, by what came of it.");
  text_.sample({{"result", "found"}}, from_.names.ok);
  text_.sample({{"result", "none"}}, from_.names.none);
  text_.sample({{"result", "failed"}}, from_.names.failed);
  text_.sample({{"result", "timeout"}}, from_.names.timed_out);
}

void Writer::write_conf() {
  const MasterRow& master = from_.rows.master();
  text_.counter("sluice_config_reloads", "Reloads of the conf.");
  text_.sample({{"result", "good"}}, master.reloads.value());
  text_.sample({{"result", "bad"}}, master.failed_reloads.value());
  text_.gauge("sluice_config_last_reload_successful", "Whether the latest one was good.");
  text_.sample({}, 1 - master.last_reload_failed.value());
  text_.gauge("sluice_config_last_reload_success_timestamp_seconds",
              "When the conf in force was loaded, since 1970.");
  text_.sample({}, master.last_reload_s.value());
  text_.gauge("sluice_config_generation", "Its number, from 1 at the start.");
  text_.sample({}, master.generation.value());
}

void Writer::write_workers() {
  const auto write = [this](auto value) {
    for (uint32_t i = 0; i < workers_.size(); ++i) {
      text_.sample({{"worker", std::to_string(i)}}, value(i));
    }
  };
  text_.gauge("sluice_worker_accepting", "1: the worker accepts clients.");
  write([this](uint32_t i) -> uint64_t { return workers_[i]->pid.value() != 0 ? 1 : 0; });
  text_.counter("sluice_worker_restarts", "How often another process took its place.");
  write([this](uint32_t i) { return std::max<uint64_t>(workers_[i]->starts.value(), 1) - 1; });
  text_.gauge("sluice_worker_sessions_active", "Sessions that it relays now.");
  write([this](uint32_t i) {
    uint64_t sum = 0;
    const LabelRows labels = from_.rows.labels(i);
    const size_t rows = std::min<size_t>(workers_[i]->routes.value(), labels.routes.size());
    for (const RouteRow& row : labels.routes.first(rows)) sum += row.active();
    return sum;
  });
  uint64_t left = 0;
  for (const WorkerRow* row : workers_) {
    for (const DrainGauges& drain : row->drains) {
      if (drain.number.value() != 0) left += drain.left.value();
    }
  }
  text_.gauge("sluice_drain_sessions_remaining", "Sessions that drains have still to end.");
  text_.sample({}, left);
}

std::string Writer::write() {
  write_process();
  write_connections();
  write_tls();
  write_handshakes();
  write_sessions();
  write_ends();
  write_traffic();
  write_pings();
  write_peers();
  write_names();
  write_conf();
  write_workers();
  return text_.finish();
}

}  // namespace

std::string metrics_text(const MetricsSources& sources, MetricsFormat format) {
  return Writer(sources, format).write();
}

}  // namespace sluice
