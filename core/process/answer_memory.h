// AnswerMemory: where a keeper leaves what it found for its master, and whether its loop turns. The
// two share the memory with nobody else. The keeper writes; a message says when answers are whole;
// until that is acknowledged it writes no others.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "net/heartbeat.h"
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
  // While it is open.
  Heartbeat& heartbeat() const { return *heartbeat_; }

 private:
  char* start_ = nullptr;
  Heartbeat* heartbeat_ = nullptr;  // behind the answers
};

}  // namespace sluice
