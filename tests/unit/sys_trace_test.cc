// sys_trace: a process that dies of a fatal signal says where it stood, and dies of that signal.
#include "net/sys_trace.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <regex>
#include <string>

#include "net/check.h"
#include "net/sys_platform.h"
#include "net/sys_sandbox.h"
#include "tests/unit/process_testing.h"

namespace sluice {
namespace {

using testing::content_of;
using testing::run_in_child;
using testing::TemporaryFolder;

struct Death {
  int signal = 0;
  std::string told;
};

// How a child dies of `deed` that has traces on and is named "worker 3".
template <class Deed>
Death death_by(Deed deed) {
  const TemporaryFolder folder;
  const int status = run_in_child([&] {
    for (const int number : {SIGSEGV, SIGABRT, SIGFPE, SIGBUS, SIGILL}) ::signal(number, SIG_DFL);
    sys::forbid_dumps();
    sys::trace_fatal_signals();
    sys::name_traced_process("worker 3");
    sys::trace_to(sys::open_for_append(folder.file("log").c_str()));
    deed();
    return 0;
  });
  return {WIFSIGNALED(status) ? WTERMSIG(status) : 0, content_of(folder.file("log"))};
}

void write_to_nowhere() {
  volatile uintptr_t nowhere = 0x10;
  *reinterpret_cast<volatile int*>(nowhere) = 1;
}

bool begins(const std::string& told, const std::string& rest) {
  const std::string head =
      R"(^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z error worker 3, pid \d+, ends by signal )";
  return std::regex_search(told, std::regex(head + rest));
}

// One frame a line, each with its address.
size_t frames_in(const std::string& told) {
  size_t frames = 0;
  for (size_t at = 0; (at = told.find(")[0x", at)) != std::string::npos; ++at) ++frames;
  return frames;
}

TEST_CASE("sys_trace: a wild pointer's address and the functions that were under way") {
  if (sanitized) return;
  const Death death = death_by([] { write_to_nowhere(); });
  CHECK(death.signal == SIGSEGV);
  CHECK(begins(death.told, R"(11 \(SIGSEGV\) at address 0x10; it was in:\n)"));
  CHECK(frames_in(death.told) >= 4);
}

TEST_CASE("sys_trace: a failed check says what failed, in the same place") {
  if (sanitized) return;
  const Death death = death_by([] { SLUICE_CHECK(1 + 1 == 3); });
  CHECK(death.signal == SIGABRT);
  CHECK(std::regex_search(
      death.told,
      std::regex(R"(^sluice: \S+sys_trace_test.cc:\d+: assertion failed: 1 \+ 1 == 3)")));
  CHECK(death.told.find(" (SIGABRT), sent by process ") != std::string::npos);
  CHECK(frames_in(death.told) >= 4);
}

TEST_CASE("sys_trace: each fatal signal, also where somebody sent it; others are left alone") {
  if (sanitized) return;
  for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
    CAPTURE(number);
    const Death death = death_by([number] { ::raise(number); });
    CHECK(death.signal == number);
    CHECK(begins(death.told, std::to_string(number) + R"( \(SIG[A-Z]+\), sent by process \d+;)"));
  }
  const Death death = death_by([] { ::raise(SIGTERM); });
  CHECK(death.signal == SIGTERM);
  CHECK(death.told == "");
}

// Each call takes a page of the stack, and there are more of them than pages.
int overflow(int depth) {
  if (depth < 0) return 0;
  volatile char page[4096];
  page[static_cast<size_t>(depth) % sizeof page] = 1;
  return overflow(depth + 1) + page[0];
}

TEST_CASE("sys_trace: a stack that overflowed, and a process that is filtered") {
  if (sanitized) return;
  const Death deep = death_by([] { overflow(0); });
  CHECK(deep.signal == SIGSEGV);
  CHECK(frames_in(deep.told) >= 4);
  if (!sys::can_filter_calls()) return;
  const Death filtered = death_by([] {
    SLUICE_CHECK(sys::forbid_new_privileges() == 0 &&
                 sys::filter_calls(sys::Confined::worker) == 0);
    write_to_nowhere();
  });
  CHECK(filtered.signal == SIGSEGV);
  CHECK(frames_in(filtered.told) >= 4);
}

}  // namespace
}  // namespace sluice
