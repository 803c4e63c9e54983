// sys where fatal signals leave no trace: libc has no execinfo.h, or the build has a sanitizer's.
#include "net/sys_trace.h"

namespace sluice::sys {

void trace_fatal_signals() {}

void name_traced_process(std::string_view) {}

void trace_to(int) {}

}  // namespace sluice::sys
