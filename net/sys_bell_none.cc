// sys: no futexes: who waits naps.
#include <signal.h>
#include <time.h>

#include <algorithm>

#include "net/sys_bell.h"

namespace sluice::sys {

void ring(std::atomic<uint32_t>&) {}

void await_ring(std::atomic<uint32_t>& bell, uint32_t seen, uint32_t most_ms) {
  constexpr uint32_t nap_ms = 10;
  const timespec nap{.tv_sec = 0, .tv_nsec = std::min(nap_ms, most_ms) * 1'000'000L};
  if (bell.load() == seen) ::nanosleep(&nap, nullptr);
}

void become_background_thread() {
  sigset_t all;
  ::sigfillset(&all);
  ::sigdelset(&all, SIGSYS);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace sluice::sys
