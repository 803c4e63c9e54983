// Counting errors by kind.
#include "tests/load/bench_tally.h"

#include "net/sys.h"

namespace sluice::load {

const char* error_name(ErrorKind kind) {
  static constexpr const char* names[error_kinds] = {"connect",  "handshake", "timeout",
                                                     "protocol", "mismatch",  "unanswered",
                                                     "closed",   "lost",      "no_close"};
  return names[static_cast<size_t>(kind)];
}

void Tally::error(ErrorKind kind, const std::string& text) {
  errors[static_cast<size_t>(kind)].add(1);
  if (first_error.empty()) first_error = std::string(error_name(kind)) + ": " + text;
}

uint64_t Tally::all_errors() const {
  uint64_t sum = 0;
  for (const Counter& each : errors) sum += each.value();
  return sum;
}

Run::Run(const BenchOptions& wanted)
    : options(wanted),
      tls(wanted.server.secure ? make_tls_client(wanted.tls_ca, wanted.tls_insecure) : nullptr),
      messages(wanted),
      threads_opening(wanted.threads),
      threads_running(wanted.threads) {
  sys::random_bytes(&key_seed, sizeof key_seed);
}

}  // namespace sluice::load
