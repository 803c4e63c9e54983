// Each number is true when it is read; together they are not of one instant, because workers go on.
#include "core/process/metrics.h"

#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <vector>

#include "core/process/metrics_writer.h"
#include "tls/server.h"

namespace sluice {

namespace {

constexpr Buckets handshake_buckets{.first = 0, .last = 16};           // 1 ms to 65 s
constexpr Buckets session_buckets{.first = 6, .last = 28, .step = 2};  // 64 ms to 3 days

constexpr const char* parties_told[metric_parties] = {"client", "upstream", "proxy"};
constexpr const char* turned_away_told[turned_away_kinds] = {
    "worker_connections", "drained",          "handshake_rate", "memory", "deny",
    "limit_connections",  "client_table_size"};

std::string close_name(size_t place) {
  if (place < 16) return std::to_string(1000 + place);
  return place == 16 ? "3xxx" : place == 17 ? "4xxx" : "_other";
}

std::string answer_name(size_t place) {
  if (place == counted_answers.size()) return "_other";
  return counted_answers[place] == 0 ? "none" : std::to_string(counted_answers[place]);
}

}  // namespace

void RouteSums::add(const RouteRow& row) {
  any = true;
  const TrafficCounters* const traffic[] = {&row.from_client, &row.from_upstream};
  for (size_t i = 0; i < 2; ++i) {
    sides[i].add(*traffic[i], i == 0);
    add_all(sides[i].close_codes, row.close_codes[i]);
  }
  // In this order: what ends meanwhile is seen as open, and not as closed without having been.
  // Where no peer did anything, we did.
  for (size_t i = 0; i < parties; ++i) add_all(closed[(i + 2) % metric_parties], row.closed[i]);
  lost += row.lost.value();
  opened += row.opened.value();
  add_all(answered, row.answered);
  add_all(served, row.served);
}

MetricsWriter::MetricsWriter(const MetricsSources& sources, MetricsFormat format)
    : from_(sources), text_(format), board_(sources.peers, 0) {
  for (uint32_t i = 0; i < from_.rows.workers(); ++i) workers_.push_back(&from_.rows.row(i));
  sum_routes();
}

// What the conf has is told from the beginning; of the others what happened. Payload is never told
// to be less than before, though some bytes may be missing while frames come.
void MetricsWriter::sum_routes() {
  routes_.resize(LabelRows::first_route);
  for (uint32_t i = 0; i < workers_.size(); ++i) {
    const LabelRows labels = from_.rows.labels(i);
    const size_t rows = std::min<size_t>(workers_[i]->routes.value(), labels.routes.size());
    if (routes_.size() < rows) routes_.resize(rows);
    for (size_t place = 0; place < rows; ++place) routes_[place].add(labels.routes[place]);
  }
  const std::span<ToldRow> told = from_.rows.told();
  for (size_t place = 0; place < routes_.size(); ++place) {
    RouteSums& each = routes_[place];
    uint64_t over = each.lost;
    for (const auto& of_party : each.closed) {
      for (const uint64_t count : of_party) over += count;
    }
    each.active = std::max(each.opened, over) - over;
    for (size_t side = 0; side < 2; ++side) {
      Gauge& before = told[place].payload[side];
      uint64_t& payload = each.sides[side].payload;
      payload = std::max(payload, before.value());
      before.set(payload);
    }
  }
}

uint64_t MetricsWriter::sum_of(Counter WorkerRow::*of) const {
  uint64_t sum = 0;
  for (const WorkerRow* row : workers_) sum += (row->*of).value();
  return sum;
}

void MetricsWriter::write_connections() {
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
                "Accepted connections that were closed without a session, before their request was "
                "read; all others that got none are in sluice_handshakes_total.");
  for (size_t i = 0; i <= named; ++i) {
    for (size_t kind = 0; kind < turned_away_kinds; ++kind) {
      if (i == named && sums[i].turned_away[kind] == 0) continue;
      text_.sample({{"listener", name(i)}, {"reason", turned_away_told[kind]}},
                   sums[i].turned_away[kind]);
    }
  }
  text_.counter("sluice_connections_failed",
                "Connections that ended before a request came, or with their worker inside one.");
  text_.sample({}, sum_of(&WorkerRow::failed));
  text_.counter("sluice_connections_reused",
                "Requests that came on a connection on which others were answered (http on).");
  text_.sample({}, sum_of(&WorkerRow::reused));
  text_.counter("sluice_http2_connections", "Connections that spoke HTTP/2.");
  text_.sample({}, sum_of(&WorkerRow::http2_connections));
  text_.counter("sluice_http2_streams", "Their streams, each of which is a session of its own.");
  text_.sample({}, sum_of(&WorkerRow::http2_streams));
  text_.counter("sluice_connections_rate_refused",
                "Connections beyond handshake_rate, closed or told 503.");
  text_.sample({}, sum_of(&WorkerRow::rate_refused));
  text_.counter("sluice_client_limits_refused",
                "Clients that were refused for limit_connections or limit_handshakes, or because "
                "client_table_size had no room to count them, answered or not.");
  for (size_t i = 0; i < client_limits; ++i) {
    uint64_t sum = 0;
    for (const WorkerRow* row : workers_) sum += row->limited[i].value();
    text_.sample({{"limit", name_of(static_cast<ClientLimit>(i))}}, sum);
  }
  text_.counter("sluice_client_limits_forgotten",
                "Clients whose handshakes were forgotten because client_table_size had no room for "
                "others: they may have had more than limit_handshakes.");
  text_.sample({}, sum_of(&WorkerRow::clients_forgotten));
  write_open_connections();
}

void MetricsWriter::write_open_connections() {
  uint64_t open = 0;
  uint64_t in_handshake = 0;
  for (const WorkerRow* row : workers_) {
    open += row->connections();
    in_handshake += row->in_handshake();
  }
  text_.gauge("sluice_connections_active",
              "Connections of clients that are open now; of HTTP/2 each stream.");
  text_.sample({}, open);
  text_.gauge("sluice_connections_in_handshake",
              "Those whose handshake or plain request has not ended: accepted and reused ones and "
              "streams, less refused, failed, answered and opened ones.");
  text_.sample({}, in_handshake);
}

void MetricsWriter::write_tls_side(const char* side, TlsCounters WorkerRow::*of) {
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

void MetricsWriter::write_tls() {
  text_.counter("sluice_tls_handshakes", "TLS handshakes with clients and with servers.");
  write_tls_side(metric_sides[0], &WorkerRow::tls_with_clients);
  write_tls_side(metric_sides[1], &WorkerRow::tls_with_upstreams);
  text_.gauge("sluice_tls_certificate_not_after_timestamp_seconds",
              "When listeners' certificates end, since 1970; of several with one name the first.");
  for (const ListenConfig& listener : from_.config.listeners) {
    if (listener.tls == nullptr) continue;
    std::map<std::string, uint64_t> ends;
    for (const CertificateTerm& each : listener.tls->certificates()) {
      const auto ends_s = static_cast<uint64_t>(std::max<int64_t>(each.ends_s, 0));
      const auto [place, first] = ends.emplace(each.name, ends_s);
      if (!first) place->second = std::min(place->second, ends_s);
    }
    const std::string address = listener.address.text();
    for (const auto& [name, end] : ends) {
      text_.sample({{"listener", address}, {"name", name}}, end);
    }
  }
}

void MetricsWriter::write_durations(const char* name, const char* help, Durations WorkerRow::*of,
                                    const Buckets& buckets) {
  DurationSums sums;
  for (const WorkerRow* row : workers_) sums.add(row->*of);
  text_.histogram(name, help);
  text_.sample_histogram({}, sums, buckets);
}

// A handshake that opened a session is one with code 101: no worker counts it twice.
void MetricsWriter::write_handshakes() {
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
  text_.counter("sluice_upstream_connections_reused",
                "Plain requests that a connection kept from others was taken for "
                "(upstream_keepalive).");
  text_.sample({}, sum_of(&WorkerRow::upstream_reused));
  text_.counter("sluice_http2_upstream_connections",
                "Connections to servers that spoke HTTP/2 (upstream_http).");
  text_.sample({}, sum_of(&WorkerRow::http2_peer_connections));
  text_.counter("sluice_http2_upstream_streams", "Sessions and requests on them.");
  text_.sample({}, sum_of(&WorkerRow::http2_peer_streams));
  write_auth();
}

void MetricsWriter::write_auth() {
  const auto sum = [this](Counter AuthCounters::*counter) {
    uint64_t total = 0;
    for (const WorkerRow* row : workers_) total += (row->auth.*counter).value();
    return total;
  };
  text_.counter("sluice_auth_requests",
                "Requests whose authorizer was asked, or known (auth_request), by what came of it; "
                "failed: no verdict.");
  text_.sample({{"outcome", "admitted"}}, sum(&AuthCounters::admitted));
  text_.sample({{"outcome", "refused"}}, sum(&AuthCounters::refused));
  text_.sample({{"outcome", "failed"}}, sum(&AuthCounters::failed));
  text_.counter("sluice_auth_cache_hits", "Of these, those that auth_cache knew.");
  text_.sample({}, sum(&AuthCounters::from_cache));
}

void MetricsWriter::write_requests() {
  text_.counter("sluice_requests",
                "Plain requests (http on) by what they were answered; none: they ended without an "
                "answer.");
  each_route([this](std::string_view route, const RouteSums& sums) {
    for (size_t i = 0; i < answer_places; ++i) {
      if (sums.served[i] == 0) continue;
      text_.sample({{"route", route}, {"code", answer_name(i)}}, sums.served[i]);
    }
  });
}

void MetricsWriter::write_sessions() {
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

void MetricsWriter::write_ends() {
  text_.counter("sluice_sessions_closed",
                "Sessions that ended, by who ended them and why; worker_died: with their worker.");
  each_route([this](std::string_view route, const RouteSums& sums) {
    for (size_t party = 0; party < metric_parties; ++party) {
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
        text_.sample({{"route", route}, {"from", metric_sides[side]}, {"code", close_name(i)}},
                     count);
      }
    }
  });
}

std::string MetricsWriter::write() {
  write_process();
  write_connections();
  write_tls();
  write_handshakes();
  write_requests();
  write_sessions();
  write_ends();
  write_messages();
  write_traffic();
  write_pings();
  write_peers();
  write_names();
  write_conf();
  write_workers();
  return text_.finish();
}

std::string metrics_text(const MetricsSources& sources, MetricsFormat format) {
  return MetricsWriter(sources, format).write();
}

}  // namespace sluice
