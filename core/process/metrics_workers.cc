// The processes, and what each worker does.
#include <algorithm>
#include <string>
#include <vector>

#include "core/process/metrics_writer.h"

namespace sluice {

namespace {

constexpr Buckets turn_buckets{.first = 4, .last = 22, .step = 2, .digits = 6};  // 16 us to 4 s

}  // namespace

void MetricsWriter::write_process() {
  text_.gauge("sluice_build_info", "The version that runs; always 1.");
  text_.sample({{"version", SLUICE_VERSION}}, 1);
  text_.gauge("process_start_time_seconds", "When the master started, since 1970.");
  text_.sample({}, from_.rows.master().started_s.value());
  std::vector<const ProcessGauges*> processes = {&from_.rows.master().process,
                                                 &from_.rows.keeper().process};
  for (const WorkerRow* row : workers_) processes.push_back(&row->process);
  const auto total_of = [&](auto member) {
    uint64_t sum = 0;
    for (const ProcessGauges* each : processes) sum += (each->*member).value();
    return sum;
  };
  text_.counter("process_cpu_seconds",
                "Processor time of all of sluice's processes together, told once a second.");
  text_.sample_fraction({}, total_of(&ProcessGauges::cpu_ms), 3);
  const auto gauge = [&](const char* name, const char* help, Gauge ProcessGauges::*of) {
    const uint64_t sum = total_of(of);
    text_.gauge(name, help);
    if (sum > 0) text_.sample({}, sum);  // else the system does not tell
  };
  gauge("process_resident_memory_bytes",
        "Memory of all of sluice's processes together; what they share is in it several times.",
        &ProcessGauges::resident_bytes);
  gauge("process_virtual_memory_bytes", "Address space of all of sluice's processes together.",
        &ProcessGauges::virtual_bytes);
  gauge("process_open_fds",
        "Descriptors of all of sluice's processes together (where the kernel counts them: Linux "
        "6.2).",
        &ProcessGauges::descriptors);
  gauge("process_max_fds", "What their limits are together.", &ProcessGauges::most_descriptors);
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
  text_.gauge("sluice_worker_loop_busy_ratio",
              "How much of the latest second or so its loop worked, from 0 to 1.");
  for (uint32_t i = 0; i < workers_.size(); ++i) {
    text_.sample_fraction({{"worker", std::to_string(i)}}, workers_[i]->busy_permille.value(), 3);
  }
  write_durations("sluice_worker_loop_lag_seconds",
                  "How long turns of workers' loops took, which is what an event may wait.",
                  &WorkerRow::turns_us, turn_buckets);
  uint64_t ring_bytes = 0;
  uint64_t pipes = 0;
  for (const WorkerRow* row : workers_) {
    ring_bytes += row->ring_bytes.value();
    pipes += row->pipes.value();
  }
  text_.gauge("sluice_ring_bytes", "Buffers that sessions hold, pipes left out; once a second.");
  text_.sample({}, ring_bytes);
  text_.gauge("sluice_pipes_open", "Pipes that sessions hold for large frames; once a second.");
  text_.sample({}, pipes);
  text_.counter("sluice_log_lines_dropped",
                "Lines of workers' logs that could not be written; once a second.");
  text_.sample({}, sum_of(&WorkerRow::log_lines_lost));
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
