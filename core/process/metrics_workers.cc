// The processes, and what each worker does.
#include <algorithm>
#include <string>

#include "core/process/metrics_writer.h"

namespace sluice {

void MetricsWriter::write_process() {
  text_.gauge("sluice_build_info", "The version that runs; always 1.");
  text_.sample({{"version", SLUICE_VERSION}}, 1);
  text_.gauge("process_start_time_seconds", "When the master started, since 1970.");
  text_.sample({}, from_.rows.master().started_s.value());
}

void MetricsWriter::write_workers() {
  const auto write = [this](auto value) {
    for (uint32_t i = 0; i < workers_.size(); ++i) {
      text_.sample({{"worker", std::to_string(i)}}, value(i));
    }
  };
  text_.gauge("sluice_worker_accepting", "1: the worker accepts clients.");
  write([this](uint32_t i) -> uint64_t { return workers_[i]->pid.value() != 0 ? 1 : 0; });
  text_.counter("sluice_worker_restarts", "How often another process took its place.");
  write([this](uint32_t i) { return std::max<uint64_t>(workers_[i]->starts.value(), 1) - 1; });
  text_.gauge("sluice_worker_sessions_active", "Sessions that it relays now.");
  write([this](uint32_t i) {
    uint64_t sum = 0;
    const LabelRows labels = from_.rows.labels(i);
    const size_t rows = std::min<size_t>(workers_[i]->routes.value(), labels.routes.size());
    for (const RouteRow& row : labels.routes.first(rows)) sum += row.active();
    return sum;
  });
  uint64_t left = 0;
  for (const WorkerRow* row : workers_) {
    for (const DrainGauges& drain : row->drains) {
      if (drain.number.value() != 0) left += drain.left.value();
    }
  }
  text_.gauge("sluice_drain_sessions_remaining", "Sessions that drains have still to end.");
  text_.sample({}, left);
}

}  // namespace sluice
