// sys: the filter of system calls, made with libseccomp. A call outside of it raises SIGSYS, whose
// handler notes the call's number and lets the call return -EPERM.
//
// The list was found by tracing the integration tests and by reading net/sys*: what stands in it is
// used by a worker, or by the C library, OpenSSL and the unwinder on its behalf; c-ares, which the
// keeper has, needs no call but one for its sockets.
#include <fcntl.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>

#include "net/sys_call_result.h"
#include "net/sys_sandbox.h"

namespace sluice::sys {

namespace {

// The whole call, whatever its arguments: the kernel remembers these, so that they cost least.
constexpr int whole_calls[] = {
    // the data path
    SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(splice),
    SCMP_SYS(tee), SCMP_SYS(pipe2), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2), SCMP_SYS(epoll_ctl), SCMP_SYS(eventfd2),
    // sockets
    SCMP_SYS(accept4), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(shutdown), SCMP_SYS(close),
    SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(poll), SCMP_SYS(ppoll),
    // logs, the pipe of signals, descriptors that the master sent
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(write), SCMP_SYS(writev),
    SCMP_SYS(pwrite64), SCMP_SYS(lseek), SCMP_SYS(fstat),
    // memory; sysinfo is asked by the C library's qsort
    SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(sysinfo),
    // clock and randomness; clocks mostly without a call
    SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom),
    // itself
    SCMP_SYS(futex), SCMP_SYS(sched_yield), SCMP_SYS(getpid), SCMP_SYS(gettid),
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall), SCMP_SYS(exit), SCMP_SYS(exit_group)};

// The C library makes these with all signals blocked, and would be killed by a SIGSYS.
constexpr int quiet_calls[] = {SCMP_SYS(clone), SCMP_SYS(clone3), SCMP_SYS(fork), SCMP_SYS(vfork)};

constexpr uint64_t all_bits = ~uint64_t{0};
constexpr uint32_t refuse_quietly = SCMP_ACT_ERRNO(EPERM);

scmp_arg_cmp argument(unsigned number, scmp_compare how, uint64_t a, uint64_t b = 0) {
  return scmp_arg_cmp{number, how, a, b};
}
scmp_arg_cmp equal(unsigned number, uint64_t value) {
  return argument(number, SCMP_CMP_EQ, value);
}
// Of the argument, only these bits are compared.
scmp_arg_cmp equal_in(unsigned number, uint64_t bits, uint64_t value) {
  return argument(number, SCMP_CMP_MASKED_EQ, bits, value);
}

// Which calls were refused: written by the handler, read between turns.
class Refusals {
 public:
  // Safe in a signal handler.
  void note(int number) {
    if (number < 0 || number >= static_cast<int>(known_.size())) return;
    const uint32_t count = count_.load(std::memory_order_relaxed);
    if (known_[static_cast<size_t>(number)].exchange(true) || count == numbers_.size()) return;
    numbers_[count] = number;
    count_.store(count + 1, std::memory_order_release);
  }

  int next() {
    if (told_ == count_.load(std::memory_order_acquire)) return -1;
    return numbers_[told_++];
  }

 private:
  std::array<std::atomic<bool>, 1024> known_{};  // by number
  std::array<int, 32> numbers_{};
  std::atomic<uint32_t> count_{0};
  uint32_t told_ = 0;
};
static_assert(std::atomic<bool>::is_always_lock_free);

constinit Refusals refusals;

// Others may send SIGSYS, too: only the filter's own stands for a call.
void on_refused_call(int, siginfo_t* signal, void* context) {
  constexpr int by_filter = 1;  // SYS_SECCOMP
  if (signal->si_code != by_filter) return;
  refusals.note(signal->si_syscall);
  set_call_result(context, -EPERM);
}

bool take_signal() {
  struct sigaction action {};
  action.sa_sigaction = on_refused_call;
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  ::sigfillset(&action.sa_mask);
  sigset_t mine;
  ::sigemptyset(&mine);
  ::sigaddset(&mine, SIGSYS);
  return ::sigaction(SIGSYS, &action, nullptr) == 0 &&
         ::sigprocmask(SIG_UNBLOCK, &mine, nullptr) == 0;
}

class Filter {
 public:
  Filter() : context_(::seccomp_init(SCMP_ACT_TRAP)) {
    if (context_ == nullptr) fail(-ENOMEM);  // what follows fails without harm
    // A binary search; no mitigation for programs that run others' code, which costs every call;
    // calls of another processor's numbers are refused as well.
    set(SCMP_FLTATR_CTL_OPTIMIZE, 2);
    set(SCMP_FLTATR_CTL_SSB, 1);
    set(SCMP_FLTATR_ACT_BADARCH, refuse_quietly);
  }
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;
  ~Filter() {
    if (context_ != nullptr) ::seccomp_release(context_);
  }

  // Permits the call where all of these hold; several rules for one call: where one of them does.
  void allow(int call, std::initializer_list<scmp_arg_cmp> arguments = {}) {
    add(SCMP_ACT_ALLOW, call, arguments);
  }
  void refuse(int call) { add(refuse_quietly, call, {}); }
  // It holds for all threads of the process.
  void hold_all_threads() { set(SCMP_FLTATR_CTL_TSYNC, 1); }

  int load() {
    if (error_ == 0) fail(::seccomp_load(context_));
    return error_;
  }

 private:
  void fail(int answer) {
    if (error_ == 0 && answer < 0) error_ = answer;
  }
  void set(scmp_filter_attr what, uint32_t value) {
    fail(::seccomp_attr_set(context_, what, value));
  }
  void add(uint32_t action, int call, std::initializer_list<scmp_arg_cmp> arguments) {
    if (error_ != 0 || call < 0) return;  // below 0: this processor has no such call
    fail(::seccomp_rule_add_array(context_, action, call, static_cast<unsigned>(arguments.size()),
                                  arguments.begin()));
  }

  scmp_filter_ctx context_;
  int error_ = 0;
};

void allow_socket(Filter& filter, int family, int type) {
  constexpr uint64_t type_bits = 0xf;  // the rest are SOCK_NONBLOCK and SOCK_CLOEXEC
  filter.allow(SCMP_SYS(socket),
               {equal(0, static_cast<uint64_t>(family)),
                equal_in(1, type_bits, static_cast<uint64_t>(type)), equal(2, 0)});
}

// A worker opens connections to its upstreams and nothing else; it sets what net/sys sets. It may
// bind() where they come from, but not listen().
void allow_sockets(Filter& filter) {
  for (const int family : {AF_INET, AF_INET6, AF_UNIX}) allow_socket(filter, family, SOCK_STREAM);
  for (const int level : {SOL_SOCKET, int{IPPROTO_TCP}}) {
    filter.allow(SCMP_SYS(setsockopt), {equal(1, static_cast<uint64_t>(level))});
    filter.allow(SCMP_SYS(getsockopt), {equal(1, static_cast<uint64_t>(level))});
  }
  filter.allow(SCMP_SYS(setsockopt),
               {equal(1, IPPROTO_IP), equal(2, uint64_t{IP_BIND_ADDRESS_NO_PORT})});
  for (const int request : {FIONREAD, TIOCOUTQ}) {
    filter.allow(SCMP_SYS(ioctl), {equal(1, static_cast<uint64_t>(request))});
  }
  for (const int command : {F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC, F_SETPIPE_SZ,
                            F_GETPIPE_SZ, F_GET_SEALS, F_ADD_SEALS}) {
    filter.allow(SCMP_SYS(fcntl), {equal(1, static_cast<uint64_t>(command))});
  }
}

void allow_datagrams(Filter& filter) {
  for (const int family : {AF_INET, AF_INET6}) allow_socket(filter, family, SOCK_DGRAM);
}

// No memory that can be run comes into being, and no file is asked for by its name: fstat(3) passes
// an empty one.
void allow_the_rest(Filter& filter) {
  const auto itself = static_cast<uint64_t>(::getpid());
  filter.allow(SCMP_SYS(mmap), {equal_in(2, PROT_EXEC, 0)});
  filter.allow(SCMP_SYS(mprotect), {equal_in(2, PROT_EXEC, 0)});
  filter.allow(SCMP_SYS(newfstatat), {equal_in(3, all_bits, AT_EMPTY_PATH)});
  filter.allow(SCMP_SYS(kill), {equal(0, itself)});
  filter.allow(SCMP_SYS(tgkill), {equal(0, itself)});
}

}  // namespace

std::string call_filter_text() {
  const scmp_version* const version = ::seccomp_version();
  if (version == nullptr) return "libseccomp";
  return "libseccomp " + std::to_string(version->major) + "." + std::to_string(version->minor) +
         "." + std::to_string(version->micro);
}

bool can_filter_calls() {
  constexpr unsigned get_action_avail = 2;  // SECCOMP_GET_ACTION_AVAIL
  const uint32_t trap = SCMP_ACT_TRAP;
  return ::syscall(SYS_seccomp, get_action_avail, 0, &trap) == 0;
}

int filter_calls(Confined whom) {
  if (!take_signal()) return -errno;
  Filter filter;
  for (const int call : whole_calls) filter.allow(call);
  for (const int call : quiet_calls) filter.refuse(call);
  allow_sockets(filter);
  if (whom == Confined::keeper) {
    allow_datagrams(filter);
    filter.hold_all_threads();
  }
  allow_the_rest(filter);
  return filter.load();
}

int next_refused_call() {
  return refusals.next();
}

std::string call_name(int number) {
  char* const name = ::seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
  const std::string text = name != nullptr ? name : "";
  std::free(name);  // NOLINT: the library allocates it
  return text;
}

}  // namespace sluice::sys
