// The result of a run, as text for people or as one JSON object for programs.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/load/bench_worker.h"

namespace sluice::load {

// All threads added up.
struct Summary {
  Summary(const BenchOptions& wanted, const std::vector<std::unique_ptr<BenchWorker>>& workers);

  // 0; 3 where a threshold is missed; 1 where there were errors (but those that --max errors=N
  // allows), or no connection.
  int exit_status() const;
  // What a threshold is about; nothing where there was no latency to measure.
  std::optional<double> value_of(Threshold::Of of) const;
  // Of messages, or in mode connect of opening.
  const Histogram& measured() const;

  const BenchOptions& options;
  double seconds = 0;  // in which messages were counted
  double opening_seconds = 0;
  uint64_t secured = 0;
  uint64_t resumed = 0;
  uint64_t carriers = 0;
  uint64_t opened = 0;
  uint64_t open_at_end = 0;
  uint64_t messages = 0;
  uint64_t payload_bytes = 0;
  uint64_t all_errors = 0;
  std::array<uint64_t, error_kinds> errors{};
  std::string first_error;
  Histogram latency;
  Histogram opening;
};

// One second of a run, or what was left of it: what happened in it, and what stood at its end.
struct Progress {
  uint64_t messages = 0;
  uint64_t payload_bytes = 0;
  uint64_t opened = 0;
  uint64_t open = 0;    // at the end
  uint64_t errors = 0;  // from the beginning on
  double seconds = 0;   // from the beginning on
  double length = 0;    // of it, in seconds
};

// Asks the threads for a Progress a second.
class Timeline {
 public:
  Timeline(const std::vector<std::unique_ptr<BenchWorker>>& workers, uint64_t begin_ns);

  // What happened since the last call.
  const Progress& add(uint64_t now_ns);
  uint64_t last_ns() const { return last_ns_; }
  const std::vector<Progress>& all() const { return all_; }

 private:
  const std::vector<std::unique_ptr<BenchWorker>>& workers_;
  uint64_t begin_ns_;
  uint64_t last_ns_;
  Progress total_;  // of messages, payload_bytes and opened
  std::vector<Progress> all_;
};

// Keys: url, mode, connections, pipeline, payload, threads, rate, seconds, opened, open_at_end,
// opening_seconds, connections_per_second, tls_handshakes, tls_resumed, tls_handshakes_per_second,
// http2_connections,
// messages, messages_per_second, bytes, megabytes_per_second (10^6 bytes of received payload),
// latency_us and opening_us {count, p50, p90, p99, p99_9, max} or null where there was none,
// errors, errors_by_kind {...}, first_error, thresholds [{name, most or least, value, held}],
// timeline
// [{seconds, messages, bytes, opened, open, errors}], a second each. Times of thresholds are in us.
// The latency of mode connect is its opening.
std::string report_json(const Summary& summary, const std::vector<Progress>& timeline);
std::string report_text(const Summary& summary);

// One line about a second.
std::string report_progress(const Progress& second);

}  // namespace sluice::load
