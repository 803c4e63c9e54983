// Formatting of results.
#include "tests/load/bench_report.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

#include "net/sys.h"

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

const Histogram& latency_of(const Summary& summary) {
  return summary.options.mode == Mode::connect ? summary.opening : summary.latency;
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
}

std::string report_json(const Summary& summary) {
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
  out += format(",\"messages\":%ju,\"messages_per_second\":%.1f,\"bytes\":%ju",
                uintmax_t{summary.messages}, per_second(summary.messages, summary.seconds),
                uintmax_t{summary.payload_bytes});
  out += format(",\"megabytes_per_second\":%.3f",
                per_second(summary.payload_bytes, summary.seconds) / 1e6);
  out += ",\"latency_us\":" + histogram_json(latency_of(summary));
  out += ",\"opening_us\":" + histogram_json(summary.opening);
  out += format(",\"errors\":%ju,\"errors_by_kind\":{", uintmax_t{summary.all_errors});
  for (size_t i = 0; i < error_kinds; ++i) {
    out += format("%s\"%s\":%ju", i > 0 ? "," : "", error_name(static_cast<ErrorKind>(i)),
                  uintmax_t{summary.errors[i]});
  }
  return out + "},\"first_error\":" + quoted(summary.first_error) + "}\n";
}

std::string report_text(const Summary& summary) {
  const BenchOptions& options = summary.options;
  std::string out = format("%s: %u connections, %u threads", mode_name(options.mode),
                           options.connections, options.threads);
  if (options.mode == Mode::echo) {
    out += format(", %u on their way each, %ju bytes", options.pipeline,
                  uintmax_t{options.payload_bytes});
    if (options.rate > 0) out += format(", %ju/s", uintmax_t{options.rate});
  }
  out += format(", %.2f s\n", summary.seconds);
  if (options.mode == Mode::echo || options.mode == Mode::receive) {
    out += format("  messages  %ju, %.0f/s, %.1f MB/s\n", uintmax_t{summary.messages},
                  per_second(summary.messages, summary.seconds),
                  per_second(summary.payload_bytes, summary.seconds) / 1e6);
  }
  if (options.mode == Mode::echo) out += "  latency   " + histogram_text(summary.latency) + "\n";
  out += format("  opened    %ju, %.0f/s", uintmax_t{summary.opened},
                opening_rate(summary, summary.opened));
  if (options.mode == Mode::idle) out += format(", %ju at the end", uintmax_t{summary.open_at_end});
  if (options.server.secure) {
    out += format("\n  TLS       %ju handshakes, %.0f/s, %ju resumed", uintmax_t{summary.secured},
                  opening_rate(summary, summary.secured), uintmax_t{summary.resumed});
  }
  out += "\n  opening   " + histogram_text(summary.opening) + "\n";
  out += format("  errors    %ju\n", uintmax_t{summary.all_errors});
  for (size_t i = 0; i < error_kinds; ++i) {
    if (summary.errors[i] == 0) continue;
    out += format("    %-10s %ju\n", error_name(static_cast<ErrorKind>(i)),
                  uintmax_t{summary.errors[i]});
  }
  if (!summary.first_error.empty()) out += "    first: " + summary.first_error + "\n";
  return out;
}

std::string report_progress(const std::vector<std::unique_ptr<BenchWorker>>& workers,
                            uint64_t begin_ns, Progress& before) {
  Progress now;
  uint64_t open = 0, errors = 0;
  for (const auto& worker : workers) {
    const Tally& tally = worker->tally();
    now.messages += tally.messages.value();
    now.payload_bytes += tally.payload_bytes.value();
    now.opened += tally.opened.value();
    open += tally.open.value();
    errors += tally.all_errors();
  }
  now.at_ns = sys::monotonic_ns();
  const double seconds = static_cast<double>(now.at_ns - before.at_ns) / 1e9;
  const std::string line = format(
      "%3.0f s: %ju open, %.0f opened/s, %.0f messages/s, %.1f MB/s, %ju errors\n",
      static_cast<double>(now.at_ns - begin_ns) / 1e9, uintmax_t{open},
      per_second(now.opened - before.opened, seconds),
      per_second(now.messages - before.messages, seconds),
      per_second(now.payload_bytes - before.payload_bytes, seconds) / 1e6, uintmax_t{errors});
  before = now;
  return line;
}

}  // namespace sluice::load
