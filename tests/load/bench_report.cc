// Formatting of results.
#include "tests/load/bench_report.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

namespace sluice::load {

namespace {

using Mode = BenchOptions::Mode;

[[gnu::format(printf, 1, 2)]] std::string format(const char* pattern, ...) {
  char text[512];
  va_list values;
  va_start(values, pattern);
  const int size = std::vsnprintf(text, sizeof text, pattern, values);
  va_end(values);
  return std::string(text, std::min(static_cast<size_t>(size), sizeof text - 1));
}

double microseconds(uint64_t ns) {
  return static_cast<double>(ns) / 1e3;
}
double per_second(uint64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

// Of connections or their TLS handshakes: the cycles of mode connect went on all the time.
double opening_rate(const Summary& summary, uint64_t count) {
  return per_second(
      count, summary.options.mode == Mode::connect ? summary.seconds : summary.opening_seconds);
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += format("\\u%04x", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string histogram_json(const Histogram& histogram) {
  if (histogram.count() == 0) return "null";
  return format(
      "{\"count\":%ju,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p99_9\":%.1f,\"max\":%.1f}",
      uintmax_t{histogram.count()}, microseconds(histogram.quantile(0.5)),
      microseconds(histogram.quantile(0.9)), microseconds(histogram.quantile(0.99)),
      microseconds(histogram.quantile(0.999)), microseconds(histogram.max()));
}

std::string histogram_text(const Histogram& histogram) {
  return format("p50 %.1f us, p90 %.1f us, p99 %.1f us, p99.9 %.1f us, max %.1f us",
                microseconds(histogram.quantile(0.5)), microseconds(histogram.quantile(0.9)),
                microseconds(histogram.quantile(0.99)), microseconds(histogram.quantile(0.999)),
                microseconds(histogram.max()));
}

bool with_messages(const BenchOptions& options) {
  return options.mode == Mode::receive || options.sends();
}

std::string payload_text(const BenchOptions& options) {
  const std::string& file = options.file.empty() ? options.lines_file : options.file;
  if (file.empty()) return format("%ju bytes", uintmax_t{options.payload_bytes});
  return (options.file.empty() ? "lines of " : "") + file;
}

std::string value_text(const Threshold& threshold, double value) {
  return threshold.is_time() ? format("%.1f us", value) : format("%.0f", value);
}

// Whether a threshold was held, and by what.
bool held(const Summary& summary, const Threshold& threshold) {
  const std::optional<double> value = summary.value_of(threshold.of);
  return value.has_value() && threshold.held_by(*value);
}

std::string thresholds_json(const Summary& summary) {
  std::string out = "[";
  for (const Threshold& threshold : summary.options.thresholds) {
    const std::optional<double> value = summary.value_of(threshold.of);
    out += format("%s{\"name\":\"%s\",\"%s\":%.1f,\"value\":%s,\"held\":%s}",
                  out.size() > 1 ? "," : "", threshold_name(threshold.of),
                  threshold.at_most ? "most" : "least", threshold.limit,
                  value.has_value() ? format("%.1f", *value).c_str() : "null",
                  held(summary, threshold) ? "true" : "false");
  }
  return out + "]";
}

std::string thresholds_text(const Summary& summary) {
  std::string out;
  for (const Threshold& threshold : summary.options.thresholds) {
    const std::optional<double> value = summary.value_of(threshold.of);
    out += format("  threshold %s %s: %s, %s\n", threshold.at_most ? "at most" : "at least",
                  threshold.text.c_str(),
                  value.has_value() ? value_text(threshold, *value).c_str() : "nothing measured",
                  held(summary, threshold) ? "held" : "missed");
  }
  return out;
}

std::string timeline_json(const std::vector<Progress>& timeline) {
  std::string out = "[";
  for (const Progress& each : timeline) {
    out += format(
        "%s{\"seconds\":%.3f,\"messages\":%ju,\"bytes\":%ju,\"opened\":%ju,\"open\":%ju,"
        "\"errors\":%ju}",
        out.size() > 1 ? "," : "", each.seconds, uintmax_t{each.messages},
        uintmax_t{each.payload_bytes}, uintmax_t{each.opened}, uintmax_t{each.open},
        uintmax_t{each.errors});
  }
  return out + "]";
}

}  // namespace

Summary::Summary(const BenchOptions& wanted,
                 const std::vector<std::unique_ptr<BenchWorker>>& workers)
    : options(wanted) {
  for (const auto& worker : workers) {
    const Tally& tally = worker->tally();
    seconds = std::max(seconds, static_cast<double>(tally.counted_ns) / 1e9);
    opening_seconds = std::max(opening_seconds, static_cast<double>(tally.opening_ns) / 1e9);
    secured += tally.secured.value();
    resumed += tally.resumed.value();
    carriers += tally.carriers.value();
    opened += tally.opened.value();
    open_at_end += tally.open_at_end;
    messages += tally.messages.value();
    payload_bytes += tally.payload_bytes.value();
    for (size_t i = 0; i < error_kinds; ++i) errors[i] += tally.errors[i].value();
    all_errors += tally.all_errors();
    if (first_error.empty()) first_error = tally.first_error;
    latency.add(tally.latency);
    opening.add(tally.opening);
  }
  if (with_messages(options) && messages == 0 && all_errors == 0) {
    all_errors = errors[static_cast<size_t>(ErrorKind::unanswered)] = 1;
    first_error = "unanswered: not one message in all that time";
  }
}

int Summary::exit_status() const {
  bool errors_allowed = false;
  bool missed = false;
  for (const Threshold& threshold : options.thresholds) {
    const bool is_held = held(*this, threshold);
    missed = missed || !is_held;
    errors_allowed = errors_allowed || (threshold.of == Threshold::Of::errors && is_held);
  }
  if (opened == 0 || (all_errors > 0 && !errors_allowed)) return 1;
  return missed ? 3 : 0;
}

const Histogram& Summary::measured() const {
  return options.mode == Mode::connect ? opening : latency;
}

std::optional<double> Summary::value_of(Threshold::Of of) const {
  using Of = Threshold::Of;
  if (of == Of::opened) return static_cast<double>(opened);
  if (of == Of::errors) return static_cast<double>(all_errors);
  const bool connects = options.mode == Mode::connect;
  if (of == Of::rate) return per_second(connects ? opened : messages, seconds);
  const Histogram& times = measured();
  if (times.count() == 0) return std::nullopt;
  if (of == Of::max) return microseconds(times.max());
  static constexpr double shares[] = {0.5, 0.9, 0.99, 0.999};
  return microseconds(times.quantile(shares[static_cast<size_t>(of)]));
}

std::string report_json(const Summary& summary, const std::vector<Progress>& timeline) {
  const BenchOptions& options = summary.options;
  std::string out = "{\"url\":" + quoted(options.url);
  out +=
      format(",\"mode\":\"%s\",\"connections\":%u,\"pipeline\":%u,\"payload\":%ju,\"threads\":%u",
             mode_name(options.mode), options.connections, options.pipeline,
             uintmax_t{options.payload_bytes}, options.threads);
  out += format(",\"rate\":%ju,\"seconds\":%.3f,\"opened\":%ju,\"open_at_end\":%ju",
                uintmax_t{options.mode == Mode::connect ? options.connect_rate : options.rate},
                summary.seconds, uintmax_t{summary.opened}, uintmax_t{summary.open_at_end});
  out += format(",\"opening_seconds\":%.3f,\"connections_per_second\":%.1f",
                summary.opening_seconds, opening_rate(summary, summary.opened));
  out += format(",\"tls_handshakes\":%ju,\"tls_resumed\":%ju,\"tls_handshakes_per_second\":%.1f",
                uintmax_t{summary.secured}, uintmax_t{summary.resumed},
                opening_rate(summary, summary.secured));
  out += format(",\"http2_connections\":%ju", uintmax_t{summary.carriers});
  out += format(",\"messages\":%ju,\"messages_per_second\":%.1f,\"bytes\":%ju",
                uintmax_t{summary.messages}, per_second(summary.messages, summary.seconds),
                uintmax_t{summary.payload_bytes});
  out += format(",\"megabytes_per_second\":%.3f",
                per_second(summary.payload_bytes, summary.seconds) / 1e6);
  out += ",\"latency_us\":" + histogram_json(summary.measured());
  out += ",\"opening_us\":" + histogram_json(summary.opening);
  out += format(",\"errors\":%ju,\"errors_by_kind\":{", uintmax_t{summary.all_errors});
  for (size_t i = 0; i < error_kinds; ++i) {
    out += format("%s\"%s\":%ju", i > 0 ? "," : "", error_name(static_cast<ErrorKind>(i)),
                  uintmax_t{summary.errors[i]});
  }
  out += "},\"first_error\":" + quoted(summary.first_error);
  out += ",\"thresholds\":" + thresholds_json(summary);
  return out + ",\"timeline\":" + timeline_json(timeline) + "}\n";
}

std::string report_text(const Summary& summary) {
  const BenchOptions& options = summary.options;
  std::string out = format("%s: %u connections, %u threads", mode_name(options.mode),
                           options.connections, options.threads);
  if (options.mode == Mode::echo) {
    out += format(", %u on their way each, ", options.pipeline) + payload_text(options);
    if (options.rate > 0) out += format(", %ju/s", uintmax_t{options.rate});
  }
  out += format(", %.2f s\n", summary.seconds);
  if (options.mode == Mode::echo || options.mode == Mode::receive) {
    out += format("  messages  %ju, %.0f/s, %.1f MB/s\n", uintmax_t{summary.messages},
                  per_second(summary.messages, summary.seconds),
                  per_second(summary.payload_bytes, summary.seconds) / 1e6);
  }
  if (options.mode == Mode::echo && summary.latency.count() > 0) {
    out += "  latency   " + histogram_text(summary.latency) + "\n";
  }
  out += format("  opened    %ju, %.0f/s", uintmax_t{summary.opened},
                opening_rate(summary, summary.opened));
  if (options.mode == Mode::idle) out += format(", %ju at the end", uintmax_t{summary.open_at_end});
  if (options.server.secure) {
    out += format("\n  TLS       %ju handshakes, %.0f/s, %ju resumed", uintmax_t{summary.secured},
                  opening_rate(summary, summary.secured), uintmax_t{summary.resumed});
  }
  if (options.http2) {
    out += format("\n  HTTP/2    %ju connections, at most %u streams each",
                  uintmax_t{summary.carriers}, options.streams_per_connection);
  }
  out += "\n";
  if (summary.opened > 0) out += "  opening   " + histogram_text(summary.opening) + "\n";
  out += format("  errors    %ju\n", uintmax_t{summary.all_errors});
  for (size_t i = 0; i < error_kinds; ++i) {
    if (summary.errors[i] == 0) continue;
    out += format("    %-10s %ju\n", error_name(static_cast<ErrorKind>(i)),
                  uintmax_t{summary.errors[i]});
  }
  if (!summary.first_error.empty()) out += "    first: " + summary.first_error + "\n";
  return out + thresholds_text(summary);
}

Timeline::Timeline(const std::vector<std::unique_ptr<BenchWorker>>& workers, uint64_t begin_ns)
    : workers_(workers), begin_ns_(begin_ns), last_ns_(begin_ns) {}

const Progress& Timeline::add(uint64_t now_ns) {
  Progress total;
  Progress second;
  for (const auto& worker : workers_) {
    const Tally& tally = worker->tally();
    total.messages += tally.messages.value();
    total.payload_bytes += tally.payload_bytes.value();
    total.opened += tally.opened.value();
    second.open += tally.open.value();
    second.errors += tally.all_errors();
  }
  second.messages = total.messages - total_.messages;
  second.payload_bytes = total.payload_bytes - total_.payload_bytes;
  second.opened = total.opened - total_.opened;
  second.seconds = static_cast<double>(now_ns - begin_ns_) / 1e9;
  second.length = static_cast<double>(now_ns - last_ns_) / 1e9;
  total_ = total;
  last_ns_ = now_ns;
  return all_.emplace_back(second);
}

std::string report_progress(const Progress& second) {
  return format("%3.0f s: %ju open, %.0f opened/s, %.0f messages/s, %.1f MB/s, %ju errors\n",
                second.seconds, uintmax_t{second.open}, per_second(second.opened, second.length),
                per_second(second.messages, second.length),
                per_second(second.payload_bytes, second.length) / 1e6, uintmax_t{second.errors});
}

}  // namespace sluice::load
