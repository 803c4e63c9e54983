// Messages: what a connection sends, one behind the other for ever: made-up messages of one size,
// or those of a file in turn.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/load/bench_options.h"
#include "tests/load/bench_pattern.h"

namespace sluice::load {

// Immutable; shared by all threads.
class Messages {
 public:
  // Throws std::runtime_error where the file cannot be read, is empty, or is to be sent as text and
  // is not UTF-8.
  explicit Messages(const BenchOptions& options);

  // After so many messages their sizes come again.
  size_t cycle() const { return own_.empty() ? 1 : own_.size(); }
  uint64_t payload_bytes(uint64_t number) const {
    return own_.empty() ? payload_bytes_ : own_[number % own_.size()].size();
  }
  // Of a connection, by its number; good as long as this is.
  Message message(uint64_t connection, uint64_t number) const;
  bool text() const { return pattern_.text(); }

 private:
  Pattern pattern_;
  uint64_t payload_bytes_;
  std::vector<std::vector<uint8_t>> own_;
};

}  // namespace sluice::load
