// Counts the system calls that one thread makes by way of the C library.
#pragma once

#include <cstdint>
#include <string>

namespace sluice::counted_calls {

struct Counts {
  int64_t recv = 0;
  int64_t send = 0;
  int64_t splice = 0;
  int64_t wait = 0;    // epoll_wait
  int64_t others = 0;  // everything else that the hot path could be tempted to call
  std::string last_other;
  int64_t splice_before_send = 0;
  int64_t first_splice_bytes = 0;  // that the first splice was asked to move
};

void count_this_thread();
Counts take();  // since the last call

// Keeps that thread from its next epoll_wait until release(). await_held() returns once it stands
// before it; where it is in one already, something has to happen.
void hold();
void await_held();
void release();

}  // namespace sluice::counted_calls
