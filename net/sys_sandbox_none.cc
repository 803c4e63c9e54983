// sys where calls are not filtered: without libseccomp, in builds with sanitizers (whose reports
// open files and start programs), and on processors whose registers nobody named.
#include <cerrno>

#include "net/sys_sandbox.h"

namespace sluice::sys {

std::string call_filter_text() {
  return "without libseccomp: workers' system calls are not filtered";
}

bool can_filter_calls() {
  return false;
}

int filter_calls(Confined) {
  return -ENOSYS;
}

int next_refused_call() {
  return -1;
}

std::string call_name(int) {
  return "";
}

}  // namespace sluice::sys
