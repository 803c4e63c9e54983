// sys: traces of fatal signals. All that runs in the handler is safe there: it neither allocates
// nor takes a lock, and makes only calls that workers' filters let pass.
#include <execinfo.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "net/check.h"
#include "net/sys_trace.h"

namespace sluice::sys {

namespace {

struct FatalSignal {
  int number;
  const char* name;
};
constexpr FatalSignal fatal_signals[] = {{SIGSEGV, "SIGSEGV"},
                                         {SIGBUS, "SIGBUS"},
                                         {SIGFPE, "SIGFPE"},
                                         {SIGILL, "SIGILL"},
                                         {SIGABRT, "SIGABRT"}};

constexpr int most_frames = 64;

bool installed = false;
char process_name[32] = "sluice";
volatile sig_atomic_t tracing = 0;
// A stack that overflowed leaves no room for the handler.
alignas(16) char handler_stack[64 * 1024];

// A line of text without allocation; what does not fit is cut off.
class Line {
 public:
  Line& add(std::string_view text) {
    const size_t bytes = std::min(text.size(), text_.size() - length_);
    std::memcpy(text_.data() + length_, text.data(), bytes);
    length_ += bytes;
    return *this;
  }
  // With zeros in front where it has fewer digits.
  Line& add(uint64_t number, unsigned base = 10, size_t least_digits = 1) {
    std::array<char, 20> digits;
    size_t at = digits.size();
    for (; number > 0 || digits.size() - at < least_digits; number /= base) {
      digits[--at] = "0123456789abcdef"[number % base];
    }
    return add({digits.data() + at, digits.size() - at});
  }
  void write_to(int fd) const {
    [[maybe_unused]] const ssize_t written = ::write(fd, text_.data(), length_);
  }

 private:
  std::array<char, 256> text_;
  size_t length_ = 0;
};

// As timestamp_text() of the log has it; gmtime_r() is not safe here. The calendar is Howard
// Hinnant's days_from_civil, undone: years begin in March, eras have 400 of them.
void add_time(Line& line) {
  timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  const auto seconds = static_cast<uint64_t>(now.tv_sec);
  const uint64_t days = seconds / 86'400 + 719'468;
  const uint64_t era_day = days % 146'097;
  const uint64_t era_year =
      (era_day - era_day / 1'460 + era_day / 36'524 - era_day / 146'096) / 365;
  const uint64_t year_day = era_day - (365 * era_year + era_year / 4 - era_year / 100);
  const uint64_t shifted_month = (5 * year_day + 2) / 153;
  const uint64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  const uint64_t year = days / 146'097 * 400 + era_year + (month <= 2 ? 1 : 0);
  line.add(year, 10, 4).add("-").add(month, 10, 2).add("-");
  line.add(year_day - (153 * shifted_month + 2) / 5 + 1, 10, 2).add("T");
  line.add(seconds / 3'600 % 24, 10, 2).add(":").add(seconds / 60 % 60, 10, 2).add(":");
  line.add(seconds % 60, 10, 2).add(".");
  line.add(static_cast<uint64_t>(now.tv_nsec) / 1'000'000, 10, 3).add("Z");
}

std::string_view name_of_signal(int number) {
  for (const FatalSignal& each : fatal_signals) {
    if (each.number == number) return each.name;
  }
  return "?";
}

void describe(const siginfo_t& signal) {
  Line line;
  add_time(line);
  line.add(" error ").add(process_name).add(", pid ").add(static_cast<uint64_t>(::getpid()));
  line.add(", ends by signal ").add(static_cast<uint64_t>(signal.si_signo));
  line.add(" (").add(name_of_signal(signal.si_signo));
  if (signal.si_code > 0) {
    line.add(") at address 0x").add(reinterpret_cast<uintptr_t>(signal.si_addr), 16);
  } else {
    line.add("), sent by process ").add(static_cast<uint64_t>(signal.si_pid));
  }
  line.add("; it was in:\n").write_to(fault_descriptor);
}

// The signal is blocked in here and has no handler any more: raised again, it ends the process once
// the handler returns. Where the trace itself goes wrong, the signal of that does.
void on_fatal_signal(int number, siginfo_t* signal, void*) {
  if (tracing == 0) {
    tracing = 1;
    describe(*signal);
    void* frames[most_frames];
    const int count = ::backtrace(frames, most_frames);
    ::backtrace_symbols_fd(frames, count, fault_descriptor);
  }
  ::raise(number);
}

}  // namespace

void trace_fatal_signals() {
  void* frame = nullptr;
  ::backtrace(&frame, 1);  // the first call loads the unwinder
  const stack_t stack{handler_stack, 0, sizeof handler_stack};
  SLUICE_CHECK(::sigaltstack(&stack, nullptr) == 0);
  struct sigaction action {};
  action.sa_sigaction = on_fatal_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | static_cast<int>(SA_RESETHAND);
  ::sigfillset(&action.sa_mask);
  ::sigdelset(&action.sa_mask, SIGSYS);  // a filter's; while it is blocked, the filter kills
  for (const FatalSignal& each : fatal_signals) {
    ::sigdelset(&action.sa_mask, each.number);
  }
  for (const FatalSignal& each : fatal_signals) {
    SLUICE_CHECK(::sigaction(each.number, &action, nullptr) == 0);
  }
  installed = true;
}

void name_traced_process(std::string_view name) {
  const size_t bytes = std::min(name.size(), sizeof process_name - 1);
  std::memcpy(process_name, name.data(), bytes);
  process_name[bytes] = '\0';
}

void trace_to(int fd) {
  if (installed) fault_descriptor = fd >= 0 ? fd : 2;
}

}  // namespace sluice::sys
