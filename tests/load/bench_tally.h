// Tally: what one thread of sluice-bench counted, and Run: what its threads agree on.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "tests/load/bench_histogram.h"
#include "tests/load/bench_messages.h"
#include "tests/load/bench_options.h"
#include "tests/load/common_counter.h"
#include "tests/load/common_tls.h"

namespace sluice::load {

enum class ErrorKind : uint8_t {
  connect,     // no connection
  handshake,   // no 101 (in HTTP/2 no 200), or one that must not be trusted
  timeout,     // no answer to the handshake in time
  protocol,    // frames that RFC 6455 forbids
  mismatch,    // an echo that differs from what was sent
  unanswered,  // messages without an answer when the server's Close came, or none in the whole run
  closed,      // the server sent a Close of its own accord
  lost,        // FIN or RST without a Close
  no_close,    // our Close was not answered in time
};
inline constexpr size_t error_kinds = 9;
const char* error_name(ErrorKind kind);

// Counters may be read while the thread runs, the rest after it.
struct alignas(64) Tally {
  Counter secured;   // TLS handshakes that succeeded
  Counter resumed;   // of them, with a session from before
  Counter carriers;  // HTTP/2 connections, from the server's SETTINGS on
  Counter opened;    // handshakes that succeeded
  Counter open;      // connections now, or streams of HTTP/2
  Counter messages;
  Counter payload_bytes;  // received
  std::array<Counter, error_kinds> errors;

  Histogram latency;  // of messages, ns
  Histogram opening;  // from the connect, or when it was intended, to the 101, ns
  std::string first_error;
  uint64_t opening_ns = 0;       // how long opening all connections took
  uint64_t counted_ns = 0;       // how long messages were counted
  uint64_t open_at_end = 0;      // connections when the counting ended
  uint64_t last_message_ns = 0;  // on the clock

  void error(ErrorKind kind, const std::string& text);
  uint64_t all_errors() const;
};

// Shared by all threads; outlives them.
struct Run {
  // Throws std::runtime_error where --tls-ca or a file of messages is no good.
  explicit Run(const BenchOptions& wanted);

  const BenchOptions& options;
  const std::unique_ptr<TlsClient> tls;  // null without wss://
  const Messages messages;
  uint64_t key_seed = 0;  // random, so that mask keys are
  std::atomic<uint32_t> threads_opening;
  std::atomic<uint32_t> threads_running;
  std::atomic<uint64_t> start_ns{0};  // when all threads had opened their connections
  std::atomic<bool> stop{false};      // a signal came: end as if the time were over
};

}  // namespace sluice::load
