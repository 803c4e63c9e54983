// sys, where a process dies of a fault of its own: where it stood goes to the error log. Over
// execinfo.h (sys_trace_execinfo.cc), or not at all (sys_trace_none.cc); CMake chooses.
#pragma once

#include <string_view>

namespace sluice::sys {

// From here on SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT, which a failed SLUICE_CHECK raises,
// write one line that names process, signal and address, then the functions that were under way,
// with their addresses and nothing of what they hold. The process then ends by that same signal.
// Once, in the first process; those that are forked later keep it.
void trace_fatal_signals();
// How that line calls this process: "master", "worker 3"; at most 31 bytes of it.
void name_traced_process(std::string_view name);
// Where it goes: the error log's descriptor, which stays the caller's; -1: stderr. Failed checks
// say there what failed. It has no effect before trace_fatal_signals().
void trace_to(int fd);

}  // namespace sluice::sys
