// World: the clock of one simulated run, what is going to happen in it, its trace, and the one way
// to fail.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/random.h"
#include "tests/sim/run_kind.h"

namespace sluice::sim {

inline constexpr uint64_t us = 1'000;
inline constexpr uint64_t ms = 1'000'000;
inline constexpr uint64_t second = 1'000 * ms;

class World {
 public:
  // Becomes the world that fail() and trace lines of this process belong to.
  World(uint64_t seed, RunKind kind, bool print_trace);
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World();

  uint64_t seed() const { return seed_; }
  uint64_t now_ns() const { return now_ns_; }
  uint64_t now_ms() const { return now_ns_ / ms; }
  uint64_t begin_ns() const { return begin_ns_; }

  // Things to come; those of one instant happen in the order in which they were given.
  void at(uint64_t when_ns, std::function<void()> happening);
  void after(uint64_t delay_ns, std::function<void()> happening) {
    at(now_ns_ + delay_ns, std::move(happening));
  }
  std::optional<uint64_t> next_ns() const;
  // Moves the clock and lets everything happen that is due by then.
  void advance(uint64_t to_ns);

  // Numbers what the proxy does, for the order of its acts within one instant.
  uint64_t count_act() { return ++acts_; }

  // A trace line; `text` is static and has up to three %lld.
  void note(const char* text, int64_t a = 0, int64_t b = 0, int64_t c = 0);
  // Prints the seed, `what` and the trace, and ends the process with status 1.
  [[noreturn]] void fail(const std::string& what);
  void print_trace() const;
  // Of all trace lines so far: two runs of a seed that differ anywhere differ here.
  uint64_t digest() const { return digest_; }

  uint64_t turn = 0;

  Random random;  // of network and kernel; what peers do is decided by generators of their own

 private:
  struct Happening {
    uint64_t when_ns;
    uint64_t order;
    std::function<void()> act;
    bool operator<(const Happening& other) const {
      return when_ns != other.when_ns ? when_ns > other.when_ns : order > other.order;
    }
  };
  struct Note {
    uint64_t when_ns = 0;
    uint64_t turn = 0;
    const char* text = "";
    int64_t values[3] = {};
  };

  void print(const Note& note) const;

  uint64_t seed_;
  RunKind kind_;
  uint64_t begin_ns_;
  uint64_t now_ns_;
  uint64_t order_ = 0;
  uint64_t acts_ = 0;
  std::vector<Happening> heap_;
  std::vector<Note> notes_;  // a circle
  size_t note_count_ = 0;
  uint64_t digest_ = 0;
  bool print_trace_;
};

// The world of the run that is going on.
World& world();

}  // namespace sluice::sim
