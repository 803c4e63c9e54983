// sim: runs seeds of the simulator. One seed is one run, replayed exactly.
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "tests/sim/run.h"

namespace {

using sluice::sim::Run;
using sluice::sim::RunKind;
using sluice::sim::Totals;

// A run takes milliseconds; one that takes this long loops without a system call.
constexpr unsigned longest_run_s = 60;
constexpr unsigned run_kinds = 5;

struct Seed {
  uint64_t number;
  RunKind kind;
};

struct Options {
  std::vector<Seed> seeds;
  uint64_t first = 1;
  uint64_t count = 0;
  bool forever = false;
  bool trace = false;
  bool twice = false;
  bool digests = false;
  RunKind kind = RunKind::plain;
};

double seconds_now() {
  using clock = std::chrono::steady_clock;
  return std::chrono::duration<double>(clock::now().time_since_epoch()).count();
}

// Returns the digest of its trace.
uint64_t run_seed(const Seed& seed, bool trace, bool describe, Totals& totals) {
  ::alarm(longest_run_s);
  Run run(seed.number, seed.kind, trace);
  run.go(totals);
  if (describe) std::printf("%s\n", run.describe().c_str());
  return run.digest();
}

// Whether the second run, in which all memory lies elsewhere, is the first one again.
bool runs_alike(const Seed& seed, Totals& totals) {
  const uint64_t first = run_seed(seed, false, false, totals);
  const std::string between(100'000, ' ');
  if (run_seed(seed, false, false, totals) == first) return true;
  std::printf("seed %llu: two runs of it differ\n", static_cast<unsigned long long>(seed.number));
  return false;
}

void print_totals(const Totals& totals, double seconds) {
  const auto number = [](uint64_t value) { return static_cast<unsigned long long>(value); };
  std::printf(
      "%llu runs in %.1f s, %.0f a second: %llu sessions, %llu relayed, %llu refused, %llu turns, "
      "%.1f MB; ended first by a Close %llu, a wrong frame %llu, a lost peer %llu, idle_timeout "
      "%llu, SIGTERM %llu; sides judged exactly %llu; plain requests answered %llu, %llu by the "
      "proxy, %llu on a kept connection, %llu sessions behind them; streams of HTTP/2 relayed "
      "%llu\n",
      number(totals.runs), seconds, static_cast<double>(totals.runs) / seconds,
      number(totals.sessions), number(totals.relayed), number(totals.refused), number(totals.turns),
      static_cast<double>(totals.bytes) / 1e6, number(totals.closed), number(totals.bad),
      number(totals.left), number(totals.idle), number(totals.leaving), number(totals.strict),
      number(totals.plain), number(totals.told), number(totals.reused), number(totals.behind),
      number(totals.streams));
  std::fflush(stdout);
}

RunKind kind_named(const std::string& word) {
  if (word == "tls") return RunKind::tls;
  if (word == "splice") return RunKind::splice;
  if (word == "http2") return RunKind::http2;
  return word == "http2+tls" ? RunKind::http2_tls : RunKind::plain;
}

// One seed a line, with the kind before those that are not plain; what follows is for people, and
// so are lines with '#'.
bool read_seeds(const char* path, std::vector<Seed>& seeds) {
  std::ifstream file(path);
  if (!file) return false;
  std::string line;
  while (std::getline(file, line)) {
    char* end = nullptr;
    const RunKind kind = kind_named(line.substr(0, line.find(' ')));
    const char* begin = line.c_str() + (kind == RunKind::plain ? 0 : line.find(' '));
    const uint64_t seed = std::strtoull(begin, &end, 10);
    if (end != begin) seeds.push_back({seed, kind});
  }
  return true;
}

bool take_option(const std::string& name, const char* value, Options& options) {
  char* end = nullptr;
  if (name == "--seed-file") return read_seeds(value, options.seeds);
  const uint64_t number = std::strtoull(value, &end, 10);
  if (end == value) return false;
  if (name == "--seed") {
    options.seeds.push_back({number, RunKind::plain});
  } else if (name == "--count") {
    options.count = number;
  } else if (name == "--first") {
    options.first = number;
  } else if (name == "--seeds" && std::strncmp(end, "..", 2) == 0) {
    options.first = number;
    options.count = std::strtoull(end + 2, nullptr, 10) - number + 1;
  } else {
    return false;
  }
  return true;
}

bool parse(int count, char** arguments, Options& options) {
  for (int i = 1; i < count; ++i) {
    const std::string name = arguments[i];
    if (name == "--trace") {
      options.trace = true;
    } else if (name == "--tls") {
      options.kind = options.kind == RunKind::http2 ? RunKind::http2_tls : RunKind::tls;
    } else if (name == "--http2") {
      options.kind = options.kind == RunKind::tls ? RunKind::http2_tls : RunKind::http2;
    } else if (name == "--splice") {
      options.kind = RunKind::splice;
    } else if (name == "--forever") {
      options.forever = true;
    } else if (name == "--twice") {
      options.twice = true;
    } else if (name == "--digests") {
      options.digests = true;
    } else if (i + 1 >= count || !take_option(name, arguments[++i], options)) {
      return false;
    }
  }
  return !options.seeds.empty() || options.count > 0 || options.forever;
}

void run_forever(const Options& options) {
  Totals totals;
  const double begin = seconds_now();
  double told = begin;
  for (uint64_t seed = options.first;; ++seed) {
    RunKind kind = options.kind;
    if (kind == RunKind::plain) kind = static_cast<RunKind>(seed % run_kinds);
    run_seed({seed, kind}, false, false, totals);
    if (const double now = seconds_now(); now - told >= 1) {
      told = now;
      std::printf("seed %llu: ", static_cast<unsigned long long>(seed));
      print_totals(totals, now - begin);
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  Options options;
  if (!parse(count, arguments, options)) {
    std::fprintf(stderr,
                 "usage: sim --seed N | --seeds A..B | --count N [--first S] | --seed-file PATH | "
                 "--forever [--first S]  [--tls | --splice | --http2 [--tls]] [--trace] [--twice] "
                 "[--digests]\n");
    return 2;
  }
  if (options.forever) run_forever(options);
  Totals totals;
  const double begin = seconds_now();
  for (const Seed& seed : options.seeds) {
    const RunKind kind = seed.kind == RunKind::plain ? options.kind : seed.kind;
    run_seed({seed.number, kind}, options.trace, true, totals);
  }
  for (uint64_t i = 0; i < options.count; ++i) {
    const Seed seed{options.first + i, options.kind};
    if (options.twice) {
      if (!runs_alike(seed, totals)) return 1;
    } else {
      const uint64_t digest = run_seed(seed, options.trace, false, totals);
      if (options.digests) {
        std::printf("seed %llu: %016llx\n", static_cast<unsigned long long>(seed.number),
                    static_cast<unsigned long long>(digest));
      }
    }
  }
  if (options.count > 0) print_totals(totals, seconds_now() - begin);
  return 0;
}
