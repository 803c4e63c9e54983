// AnswerMemory: where a keeper leaves what it found for its master, who shares the memory with it
// and with nobody else. The keeper writes; a message says when it is done; until that is
// acknowledged it writes nothing.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "net/result.h"

namespace sluice {

class AnswerMemory {
 public:
  // Half a million addresses with their names. Pages that are never written cost nothing.
  static constexpr size_t most_bytes = size_t{16} << 20;

  AnswerMemory() = default;
  AnswerMemory(const AnswerMemory&) = delete;
  AnswerMemory& operator=(const AnswerMemory&) = delete;
  ~AnswerMemory() { close(); }

  // Before the first fork.
  Status open();
  // In a process that is neither: it may not see, and least of all write, what is there.
  void close();
  std::span<char> bytes() const { return {start_, start_ != nullptr ? most_bytes : 0}; }

 private:
  char* start_ = nullptr;
};

}  // namespace sluice
