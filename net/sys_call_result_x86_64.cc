// The result of a system call on x86-64.
#include <ucontext.h>

#include "net/sys_call_result.h"

namespace sluice::sys {

void set_call_result(void* context, long result) {
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RAX] = result;
}

}  // namespace sluice::sys
