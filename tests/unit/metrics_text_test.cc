// MetricsText: both formats to the byte, and labels that hold anything.
#include "core/observe/metrics_text.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>

namespace sluice {
namespace {

std::string label_as_written(const std::string& value) {
  MetricsText text(MetricsFormat::prometheus);
  text.gauge("a", "b");
  text.sample({{"l", value}}, 1);
  const std::string all = text.finish();
  const size_t begin = all.find("l=\"") + 3;
  return all.substr(begin, all.rfind("\"} 1\n") - begin);
}

DurationSums some_durations() {
  const auto durations = std::make_unique<Durations>();
  for (const uint64_t ms : {0u, 1u, 3u, 4u, 1'000'000u}) durations->add(ms);
  DurationSums sums;
  sums.add(*durations);
  sums.add(*durations);
  return sums;
}

std::string written(MetricsFormat format) {
  MetricsText text(format);
  text.counter("sluice_things", "Things that came.");
  text.sample({{"route", "/chat"}, {"from", "client"}}, 18446744073709551615u);
  text.sample({}, 0);
  text.counter("sluice_nothing", "A family without samples.");
  text.gauge("sluice_now", "What is there.");
  text.sample({}, 3);
  text.sample_fraction({{"a", "1"}}, 50, 3);
  text.sample_fraction({{"a", "2"}}, 12'000, 3);
  text.histogram("sluice_wait_seconds", "Waits.");
  text.sample_histogram({{"side", "client"}}, some_durations(),
                        {.first = 0, .last = 4, .step = 2, .digits = 3});
  return text.finish();
}

const char* const prometheus =
    "# HELP sluice_things_total Things that came.\n"
    "# TYPE sluice_things_total counter\n"
    "sluice_things_total{route=\"/chat\",from=\"client\"} 18446744073709551615\n"
    "sluice_things_total 0\n"
    "# HELP sluice_now What is there.\n"
    "# TYPE sluice_now gauge\n"
    "sluice_now 3\n"
    "sluice_now{a=\"1\"} 0.05\n"
    "sluice_now{a=\"2\"} 12.0\n"
    "# HELP sluice_wait_seconds Waits.\n"
    "# TYPE sluice_wait_seconds histogram\n"
    "sluice_wait_seconds_bucket{side=\"client\",le=\"0.001\"} 2\n"
    "sluice_wait_seconds_bucket{side=\"client\",le=\"0.004\"} 6\n"
    "sluice_wait_seconds_bucket{side=\"client\",le=\"0.016\"} 8\n"
    "sluice_wait_seconds_bucket{side=\"client\",le=\"+Inf\"} 10\n"
    "sluice_wait_seconds_sum{side=\"client\"} 2000.016\n"
    "sluice_wait_seconds_count{side=\"client\"} 10\n";

TEST_CASE("metrics text: what Prometheus reads, to the byte") {
  CHECK(written(MetricsFormat::prometheus) == prometheus);
}

TEST_CASE("metrics text: OpenMetrics names a counter's family without its ending, and ends") {
  std::string expected = prometheus;
  for (const char* line : {"# HELP sluice_things", "# TYPE sluice_things"}) {
    const size_t at = expected.find(line) + std::string(line).size();
    expected.erase(at, std::string("_total").size());
  }
  CHECK(written(MetricsFormat::openmetrics) == expected + "# EOF\n");
}

TEST_CASE("metrics text: a label's value ends neither its quotes nor its line") {
  CHECK(label_as_written("") == "");
  CHECK(label_as_written("/a b{c}=d,e") == "/a b{c}=d,e");
  CHECK(label_as_written("a\"b\\c\nd") == "a\\\"b\\\\c\\nd");
  CHECK(label_as_written("\r\t\x7f") == "\\\\x0d\\\\x09\\\\x7f");
  CHECK(label_as_written("caf\xc3\xa9") == "caf\xc3\xa9");
  CHECK(label_as_written("caf\xc3") == "caf\\\\xc3");
  CHECK(label_as_written(std::string("\0", 1)) == "\\\\x00");
}

}  // namespace
}  // namespace sluice
