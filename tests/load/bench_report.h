// The result of a run, as text for people or as one JSON object for programs.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/load/bench_worker.h"

namespace sluice::load {

// All threads added up.
struct Summary {
  Summary(const BenchOptions& wanted, const std::vector<std::unique_ptr<BenchWorker>>& workers);

  // No error, and at least one connection.
  bool good() const { return all_errors == 0 && opened > 0; }

  const BenchOptions& options;
  double seconds = 0;  // in which messages were counted
  double opening_seconds = 0;
  uint64_t secured = 0;
  uint64_t resumed = 0;
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

// Keys: url, mode, connections, pipeline, payload, threads, rate, seconds, opened, open_at_end,
// opening_seconds, connections_per_second, tls_handshakes, tls_resumed, tls_handshakes_per_second,
// messages, messages_per_second, bytes, megabytes_per_second (10^6 bytes of received payload),
// latency_us and opening_us {count, p50, p90, p99, p99_9, max}, errors, errors_by_kind {...},
// first_error. The latency of mode connect is its opening.
std::string report_json(const Summary& summary);
std::string report_text(const Summary& summary);

// One line about the second that passed since `before`, which it brings up to date.
struct Progress {
  uint64_t messages = 0;
  uint64_t payload_bytes = 0;
  uint64_t opened = 0;
  uint64_t at_ns = 0;
};
std::string report_progress(const std::vector<std::unique_ptr<BenchWorker>>& workers,
                            uint64_t begin_ns, Progress& before);

}  // namespace sluice::load
