// MetricsText: metrics in the text formats that Prometheus reads. It knows their syntax; which
// metrics there are is core/process/metrics.h's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "core/observe/counters.h"

namespace sluice {

enum class MetricsFormat : uint8_t {
  prometheus,   // text 0.0.4
  openmetrics,  // 1.0.0
};
// Of an answer with it, as Content-Type has it.
std::string_view content_type_of(MetricsFormat format);

// The same Durations of several workers together.
struct DurationSums {
  std::array<uint64_t, Durations::places> counts{};
  uint64_t sum = 0;

  void add(const Durations& durations);
};

// In which places of Durations a histogram's buckets end, and in which unit they count.
struct Buckets {
  unsigned first = 0;
  unsigned last = 0;
  unsigned step = 1;
  unsigned digits = 3;  // behind the point, of a second: 3 for milliseconds, 6 for microseconds
};

struct MetricLabel {
  std::string_view name;   // ours
  std::string_view value;  // any bytes; those that are not UTF-8 are written as \xNN
};

class MetricsText {
 public:
  using Labels = std::initializer_list<MetricLabel>;

  explicit MetricsText(MetricsFormat format) : format_(format) {}

  // Begins a family of metrics, of which all samples stand together; `name` without "_total", all
  // static text. A family without samples is left out.
  void counter(std::string_view name, std::string_view help) { begin("counter", name, help); }
  void gauge(std::string_view name, std::string_view help) { begin("gauge", name, help); }
  void histogram(std::string_view name, std::string_view help) { begin("histogram", name, help); }

  // A sample of the family that was begun last. A set of labels stands once in its family.
  void sample(Labels labels, uint64_t value);
  // The same where `value` counts parts of a second or of one: with so many digits behind the
  // point.
  void sample_fraction(Labels labels, uint64_t value, unsigned digits);
  // All samples of one histogram. Each duration is in the buckets whose bound it is below.
  void sample_histogram(Labels labels, const DurationSums& sums, const Buckets& buckets);

  // The whole text; nothing more is written.
  std::string finish();

 private:
  void begin(std::string_view type, std::string_view name, std::string_view help);
  void begin_sample(std::string_view suffix);
  void end_sample(std::string_view value);
  void add_labels(Labels labels, std::string_view bound);

  const MetricsFormat format_;
  std::string text_;
  std::string_view type_;
  std::string_view name_;
  std::string_view help_;
  bool told_ = false;  // HELP and TYPE of this family are written
};

}  // namespace sluice
