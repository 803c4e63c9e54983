// Names and values of thresholds.
#include "tests/load/bench_threshold.h"

#include <charconv>
#include <iterator>

namespace sluice::load {

namespace {

constexpr const char* names[] = {"p50", "p90", "p99", "p99.9", "max", "rate", "opened", "errors"};

bool read_value(std::string_view text, bool is_time, double& value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, std::chars_format::fixed);
  if (error != std::errc() || value < 0) return false;
  const std::string_view unit(stop, static_cast<size_t>(end - stop));
  if (!is_time) return unit.empty();
  if (unit == "us") return true;
  value *= unit == "s" ? 1e6 : 1e3;
  return unit == "ms" || unit == "s";
}

}  // namespace

bool read_threshold(std::string_view text, bool at_most, Threshold& threshold) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos) return false;
  threshold.at_most = at_most;
  threshold.text = text;
  for (size_t i = 0; i < std::size(names); ++i) {
    if (text.substr(0, equals) != names[i]) continue;
    threshold.of = static_cast<Threshold::Of>(i);
    return read_value(text.substr(equals + 1), threshold.is_time(), threshold.limit);
  }
  return false;
}

const char* threshold_name(Threshold::Of of) {
  return names[static_cast<size_t>(of)];
}

}  // namespace sluice::load
