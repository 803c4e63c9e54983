// sys, where a worker gives up system calls: what it never needs fails with EPERM. Over libseccomp
// (sys_sandbox_linux.cc), or without any filter (sys_sandbox_none.cc); CMake chooses.
#pragma once

#include <string>

namespace sluice::sys {

// For `sluice -V`: with which library calls are filtered, or that they are not.
std::string call_filter_text();
// Whether this build has a filter and the kernel takes one.
bool can_filter_calls();
// Whom a filter is for: the keeper asks name servers over datagrams, else both need the same.
enum class Confined { worker, keeper };
// From here on, for good, this process can only make the calls that such a one needs
// (core/DESIGN.md section 4). Any other one fails with EPERM and is noted; none ends the process.
// Takes SIGSYS. Returns 0 or -errno. One thread; needs forbid_new_privileges() before.
int filter_calls(Confined whom);
// The number of a call that was refused, each number once, or -1. Up to 32 of them are noted.
// Calls that start a process are refused without a note: libc makes them with signals blocked.
int next_refused_call();
// "ptrace", or "" where the library knows no name for it.
std::string call_name(int number);

}  // namespace sluice::sys
