// Text formats of Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/ and
// OpenMetrics 1.0.0, which differ in what a counter's family is called and in how a text ends.
#include "core/observe/metrics_text.h"

#include <span>
#include <utility>

#include "protocol/utf8.h"

namespace sluice {

namespace {

bool is_utf8(std::string_view text) {
  const auto* const bytes = reinterpret_cast<const uint8_t*>(text.data());
  return utf8_whole_bytes(std::span(bytes, text.size())) == text.size();
}

void add_escaped(std::string& text, std::string_view value) {
  constexpr char hex[] = "0123456789abcdef";
  const bool whole = is_utf8(value);
  for (const char byte : value) {
    const auto number = static_cast<unsigned char>(byte);
    if (byte == '\n') {
      text += "\\n";
    } else if (byte == '\\' || byte == '"') {
      (text += '\\') += byte;
    } else if (number < ' ' || number == 0x7f || (!whole && number > 0x7f)) {
      ((text += "\\\\x") += hex[number >> 4]) += hex[number & 15];
    } else {
      text += byte;
    }
  }
}

// "1.5" for 1500 with 3 digits behind the point; exact, whatever a double could hold.
std::string fraction(uint64_t value, unsigned digits) {
  std::string text = std::to_string(value);
  if (text.size() <= digits) text.insert(0, digits + 1 - text.size(), '0');
  text.insert(text.size() - digits, 1, '.');
  while (text.ends_with('0') && !text.ends_with(".0")) text.pop_back();
  return text;
}

}  // namespace

std::string_view content_type_of(MetricsFormat format) {
  return format == MetricsFormat::openmetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

void DurationSums::add(const Durations& durations) {
  for (size_t i = 0; i < counts.size(); ++i) counts[i] += durations.counts[i].value();
  sum += durations.sum.value();
}

void MetricsText::begin(std::string_view type, std::string_view name, std::string_view help) {
  type_ = type;
  name_ = name;
  help_ = help;
  told_ = false;
}

// What a family is called in its first lines: a counter of the older format as its samples are.
void MetricsText::begin_sample(std::string_view suffix) {
  const bool counter = type_ == "counter";
  if (!told_) {
    told_ = true;
    const std::string_view end = counter && format_ == MetricsFormat::prometheus ? "_total" : "";
    for (const auto& [word, what] : {std::pair("# HELP ", help_), std::pair("# TYPE ", type_)}) {
      text_.append(word).append(name_).append(end).append(" ").append(what).append("\n");
    }
  }
  text_.append(name_).append(counter ? "_total" : suffix);
}

void MetricsText::end_sample(std::string_view value) {
  text_.append(" ").append(value).append("\n");
}

// `bound`: of a bucket; "": it is none.
void MetricsText::add_labels(Labels labels, std::string_view bound) {
  if (labels.size() == 0 && bound.empty()) return;
  char before = '{';
  for (const MetricLabel& label : labels) {
    (text_ += before).append(label.name).append("=\"");
    add_escaped(text_, label.value);
    text_ += '"';
    before = ',';
  }
  if (!bound.empty()) (text_ += before).append("le=\"").append(bound).append("\"");
  text_ += '}';
}

void MetricsText::sample(Labels labels, uint64_t value) {
  begin_sample("");
  add_labels(labels, "");
  end_sample(std::to_string(value));
}

void MetricsText::sample_fraction(Labels labels, uint64_t value, unsigned digits) {
  begin_sample("");
  add_labels(labels, "");
  end_sample(fraction(value, digits));
}

// The n-th place counts what is less than 2^n, and everything in the places before it.
void MetricsText::sample_histogram(Labels labels, const DurationSums& sums,
                                   const Buckets& buckets) {
  const auto add = [this, labels](std::string_view suffix, std::string_view bound,
                                  std::string_view value) {
    begin_sample(suffix);
    add_labels(labels, bound);
    end_sample(value);
  };
  uint64_t below = 0;
  size_t next = 0;
  for (unsigned place = buckets.first; place <= buckets.last; place += buckets.step) {
    while (next <= place) below += sums.counts[next++];
    add("_bucket", fraction(uint64_t{1} << place, buckets.digits), std::to_string(below));
  }
  while (next < sums.counts.size()) below += sums.counts[next++];
  const std::string all = std::to_string(below);
  add("_bucket", "+Inf", all);
  add("_sum", "", fraction(sums.sum, buckets.digits));
  add("_count", "", all);
}

std::string MetricsText::finish() {
  if (format_ == MetricsFormat::openmetrics) text_ += "# EOF\n";
  return std::move(text_);
}

}  // namespace sluice
