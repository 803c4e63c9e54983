// World: a heap of happenings and a circle of trace notes.
#include "tests/sim/world.h"

#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace sluice::sim {

namespace {

constexpr size_t kept_notes = 160;

World* current = nullptr;

// An assertion of sluice (abort), a wild pointer or a loop without system calls (alarm).
void on_crash(int signal) {
  ::signal(signal, SIG_DFL);
  if (current != nullptr) current->fail("the process got signal " + std::to_string(signal));
}

// Times of the millisecond clock around which 32-bit arithmetic wraps, and plain ones.
uint64_t clock_begin_ns(Random& random) {
  if (random.chance(20)) return ((uint64_t{1} << 32) - random.below(30'000)) * ms;
  return random.between(1, 1'000'000) * second + random.below(second);
}

}  // namespace

World& world() {
  return *current;
}

World::World(uint64_t seed, RunKind kind, bool print_trace)
    : random(seed),
      seed_(seed),
      kind_(kind),
      begin_ns_(clock_begin_ns(random)),
      now_ns_(begin_ns_),
      notes_(kept_notes),
      print_trace_(print_trace) {
  current = this;
  for (const int signal : {SIGABRT, SIGSEGV, SIGFPE, SIGALRM}) ::signal(signal, on_crash);
}

World::~World() {
  current = nullptr;
}

void World::at(uint64_t when_ns, std::function<void()> happening) {
  heap_.push_back(Happening{std::max(when_ns, now_ns_), order_++, std::move(happening)});
  std::push_heap(heap_.begin(), heap_.end());
}

std::optional<uint64_t> World::next_ns() const {
  if (heap_.empty()) return std::nullopt;
  return heap_.front().when_ns;
}

void World::advance(uint64_t to_ns) {
  while (!heap_.empty() && heap_.front().when_ns <= to_ns) {
    std::pop_heap(heap_.begin(), heap_.end());
    Happening next = std::move(heap_.back());
    heap_.pop_back();
    now_ns_ = std::max(now_ns_, next.when_ns);
    next.act();
  }
  now_ns_ = std::max(now_ns_, to_ns);
}

void World::note(const char* text, int64_t a, int64_t b, int64_t c) {
  Note& note = notes_[note_count_++ % kept_notes];
  note = Note{now_ns_, turn, text, {a, b, c}};
  for (const uint64_t value :
       {now_ns_, turn, static_cast<uint64_t>(text[0]), static_cast<uint64_t>(a),
        static_cast<uint64_t>(b), static_cast<uint64_t>(c)}) {
    digest_ = (digest_ ^ value) * 0x100000001b3u;  // FNV
  }
  if (print_trace_) print(note);
}

void World::print(const Note& note) const {
  char text[256];
  std::snprintf(text, sizeof text, note.text, static_cast<long long>(note.values[0]),
                static_cast<long long>(note.values[1]), static_cast<long long>(note.values[2]));
  const uint64_t since = note.when_ns - begin_ns_;
  std::printf("%10llu.%03llu ms  turn %-5llu %s\n", static_cast<unsigned long long>(since / ms),
              static_cast<unsigned long long>(since % ms / us),
              static_cast<unsigned long long>(note.turn), text);
}

void World::print_trace() const {
  const size_t first = note_count_ > kept_notes ? note_count_ - kept_notes : 0;
  for (size_t i = first; i < note_count_; ++i) print(notes_[i % kept_notes]);
}

void World::fail(const std::string& what) {
  if (!print_trace_) print_trace();
  std::printf("seed %llu%s: %s\n", static_cast<unsigned long long>(seed_), option_of(kind_),
              what.c_str());
  std::fflush(stdout);
  std::_Exit(1);
}

}  // namespace sluice::sim
