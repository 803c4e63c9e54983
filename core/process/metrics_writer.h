// MetricsWriter: metrics.cc's parts, a method for each group of families. Only these files use it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/observe/counters.h"
#include "core/observe/metrics_text.h"
#include "core/peers/peer_board.h"
#include "core/process/metrics.h"

namespace sluice {

inline constexpr const char* metric_sides[] = {"client", "upstream"};
// By Party, with nobody's as ours.
inline constexpr size_t metric_parties = 3;

// The counters of a RouteRow, summed over workers.
struct RouteSums {
  struct Side {
    uint64_t received = 0;
    uint64_t sent_on = 0;  // to the other side, as all that follows up to `waited_ms`
    uint64_t queued = 0;
    uint64_t dropped = 0;
    uint64_t own = 0;
    uint64_t waited_ms = 0;
    uint64_t texts = 0;
    uint64_t binaries = 0;
    uint64_t payload = 0;
    std::array<uint64_t, 3> control{};  // by FrameCounts::Control
    std::array<uint64_t, close_places> close_codes{};

    void add(const TrafficCounters& traffic, bool masked);
  };

  bool any = false;  // some worker has a row for it
  Side sides[2];
  uint64_t opened = 0;
  uint64_t lost = 0;
  uint64_t active = 0;
  std::array<std::array<uint64_t, end_kinds>, metric_parties> closed{};
  std::array<uint64_t, answer_places> answered{};
  std::array<uint64_t, answer_places> served{};

  void add(const RouteRow& row);
};

template <class Sums, class Counters>
void add_all(Sums& sums, const Counters& counters) {
  for (size_t i = 0; i < sums.size(); ++i) sums[i] += counters[i].value();
}

// The rows of all workers, and what is written of them.
class MetricsWriter {
 public:
  MetricsWriter(const MetricsSources& sources, MetricsFormat format);

  std::string write();

 private:
  void sum_routes();
  // metrics.cc
  void write_connections();
  void write_open_connections();
  void write_tls();
  void write_handshakes();
  void write_auth();
  void write_requests();
  void write_sessions();
  void write_ends();
  // metrics_traffic.cc
  void write_traffic();
  void write_messages();
  void write_pings();
  // metrics_peers.cc
  void write_peers();
  void write_names();
  void write_conf();
  // metrics_workers.cc
  void write_process();
  void write_workers();

  // `visit` gets a route's label and sums.
  template <class Visit>
  void each_route(Visit visit);
  // The same of each side of a route that may have had sessions: the side's name and sums, too.
  template <class Visit>
  void each_side(Visit visit);
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

template <class Visit>
void MetricsWriter::each_route(Visit visit) {
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

template <class Visit>
void MetricsWriter::each_side(Visit visit) {
  each_route([&](std::string_view route, const RouteSums& sums) {
    if (route == "_none") return;
    for (size_t side = 0; side < 2; ++side) visit(route, metric_sides[side], sums.sides[side]);
  });
}

}  // namespace sluice
