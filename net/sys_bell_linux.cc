// sys: futexes (futex(2)), not private ones: processes share them.
#include <linux/futex.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "net/sys_bell.h"

namespace sluice::sys {

static_assert(std::atomic<uint32_t>::is_always_lock_free);

void ring(std::atomic<uint32_t>& bell) {
  constexpr int one = 1;
  ::syscall(SYS_futex, reinterpret_cast<uint32_t*>(&bell), FUTEX_WAKE, one, nullptr, nullptr, 0);
}

void await_ring(std::atomic<uint32_t>& bell, uint32_t seen, uint32_t most_ms) {
  const timespec most{.tv_sec = most_ms / 1000,
                      .tv_nsec = static_cast<long>(most_ms % 1000) * 1'000'000};
  ::syscall(SYS_futex, reinterpret_cast<uint32_t*>(&bell), FUTEX_WAIT, seen, &most, nullptr, 0);
}

void become_background_thread() {
  sigset_t all;
  ::sigfillset(&all);
  ::sigdelset(&all, SIGSYS);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  constexpr int nicest = 19;
  ::setpriority(PRIO_PROCESS, 0, nicest);  // of this thread alone
}

}  // namespace sluice::sys
