// sluice-bench: a load generator for WebSocket servers and proxies that compares every echo.
#include <csignal>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "net/sys.h"
#include "net/sys_process.h"
#include "tests/load/bench_options.h"
#include "tests/load/bench_report.h"
#include "tests/load/bench_worker.h"
#include "tests/load/common_options.h"

namespace {

using namespace sluice;
using namespace sluice::load;

constexpr uint64_t second_ns = 1'000'000'000;
constexpr int look_ms = 20;  // how long the end of the threads may go unnoticed

// Prints a line a second until the threads are through; a signal ends them early.
void watch_over(Run& run, Timeline& timeline, int signals) {
  while (run.threads_running > 0) {
    sys::wait_readable(signals, look_ms);
    if (sys::next_signal(signals) != 0) run.stop = true;
    const uint64_t now_ns = sys::monotonic_ns();
    if (now_ns < timeline.last_ns() + second_ns) continue;
    const Progress& second = timeline.add(now_ns);
    if (!run.options.quiet) std::fputs(report_progress(second).c_str(), stderr);
  }
}

int measure(const BenchOptions& options) {
  sys::raise_descriptor_limit();
  const int signals = sys::signal_pipe({SIGTERM, SIGINT});

  Run run(options);
  std::vector<std::unique_ptr<BenchWorker>> workers;
  for (uint32_t i = 0; i < options.threads; ++i) {
    workers.push_back(std::make_unique<BenchWorker>(run, i));
    if (const Status opened = workers.back()->open(); !opened.ok()) {
      std::fprintf(stderr, "sluice-bench: %s\n", opened.fault().text().c_str());
      return 1;
    }
  }
  Timeline timeline(workers, sys::monotonic_ns());
  std::vector<std::thread> threads;
  for (const auto& worker : workers) threads.emplace_back([&worker] { worker->run(); });
  watch_over(run, timeline, signals);
  for (std::thread& thread : threads) thread.join();

  const Summary summary(options, workers);
  timeline.add(sys::monotonic_ns());
  const std::string report =
      options.json ? report_json(summary, timeline.all()) : report_text(summary);
  std::fputs(report.c_str(), stdout);
  return summary.exit_status();
}

}  // namespace

int main(int count, char** arguments) {
  BenchOptions options;
  if (const int status = read_bench_options(count, arguments, options); status >= 0) return status;
  try {
    return measure(options);
  } catch (const std::runtime_error& error) {
    return refuse("sluice-bench", error.what());
  }
}
