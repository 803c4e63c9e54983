// What the session target puts between sluice and the kernel (GNU ld's --wrap): a clock that only
// moves when told, and a note of every descriptor that is made to end with RST.
#pragma once

#include <cstdint>
#include <set>

namespace sluice::fuzz {

// While it lives, CLOCK_MONOTONIC is its clock. One at a time.
class SessionSeam {
 public:
  SessionSeam();
  ~SessionSeam();
  SessionSeam(const SessionSeam&) = delete;
  SessionSeam& operator=(const SessionSeam&) = delete;

  void advance_ms(uint64_t ms) { now_ns_ += ms * 1'000'000; }
  uint64_t now_ns() const { return now_ns_; }

  void note_abort(int fd) { aborted_.insert(fd); }
  bool aborted(int fd) const { return aborted_.count(fd) != 0; }

 private:
  uint64_t now_ns_ = 1'000'000'000'000;
  std::set<int> aborted_;
};

}  // namespace sluice::fuzz
