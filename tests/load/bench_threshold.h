// Threshold: what a run must keep to, so that its exit status can tell.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::load {

// One "NAME=VALUE" of --max or --min.
struct Threshold {
  // Of what: latencies in us, messages (of --connect-rate connections) a second, connections
  // opened, errors.
  enum class Of : uint8_t { p50, p90, p99, p99_9, max, rate, opened, errors };

  Of of = Of::errors;
  bool at_most = true;  // else at least
  double limit = 0;
  std::string text;  // as it was given

  bool is_time() const { return of <= Of::max; }
  bool held_by(double value) const { return at_most ? value <= limit : value >= limit; }
};

// False where the text is no "NAME=VALUE". Values of times have a unit: us, ms or s.
bool read_threshold(std::string_view text, bool at_most, Threshold& threshold);

const char* threshold_name(Threshold::Of of);

}  // namespace sluice::load
