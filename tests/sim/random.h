// Random: the one source of chance in a simulation, so that a seed is a run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>

namespace sluice::sim {

// splitmix64. The seed is mixed first: counted up by the generator's own step, seeds would give one
// sequence, each a little further along.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(mixed(seed + 0x632be59bd9b4e019u)) {}

  uint64_t next() {
    state_ += 0x9e3779b97f4a7c15u;
    return mixed(state_);
  }
  uint64_t below(uint64_t bound) { return next() % bound; }
  uint64_t between(uint64_t least, uint64_t most) { return least + below(most - least + 1); }
  bool chance(unsigned percent) { return below(100) < percent; }

  template <class T>
  T pick(std::initializer_list<T> choices) {
    return *(choices.begin() + below(choices.size()));
  }

  void fill(void* buffer, size_t bytes) {
    auto* out = static_cast<unsigned char*>(buffer);
    while (bytes > 0) {
      const uint64_t word = next();
      const size_t part = bytes < sizeof word ? bytes : sizeof word;
      std::memcpy(out, &word, part);
      out += part;
      bytes -= part;
    }
  }
  std::string bytes(size_t count) {
    std::string text(count, '\0');
    fill(text.data(), count);
    return text;
  }

 private:
  static uint64_t mixed(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  uint64_t state_;
};

}  // namespace sluice::sim
