// PipePool: an array of pipes and a stack of those that are free.
#include "net/pipe.h"

#include <algorithm>

#include "net/check.h"
#include "net/scrap.h"
#include "net/sys.h"
#include "net/sys_process.h"

namespace sluice {

PipePool::~PipePool() {
  for (size_t i = 0; i < count_; ++i) {
    sys::close(pipes_[i].in);
    sys::close(pipes_[i].out);
  }
}

void PipePool::set_limit(size_t pipes) {
  SLUICE_CHECK(lent() == 0);
  while (count_ > pipes) {
    --count_;
    sys::close(pipes_[count_].in);
    sys::close(pipes_[count_].out);
  }
  for (int ends[2]; count_ < std::min(pipes, most_pipes); ++count_) {
    if (sys::pipe(ends, pipe_bytes) < 0) break;
    pipes_[count_] = Pipe{ends[1], ends[0], 0};
  }
  for (free_count_ = 0; free_count_ < count_; ++free_count_) {
    free_[free_count_] = &pipes_[free_count_];
  }
}

Pipe* PipePool::borrow() {
  return free_count_ == 0 ? nullptr : free_[--free_count_];
}

void PipePool::give_back(Pipe* pipe) {
  if (pipe->bytes > 0) {
    while (sys::read(pipe->out, scrap, sizeof scrap) > 0) continue;
    pipe->bytes = 0;
  }
  free_[free_count_++] = pipe;
}

}  // namespace sluice
