// The result of a system call on 64-bit ARM.
#include <ucontext.h>

#include "net/sys_call_result.h"

namespace sluice::sys {

void set_call_result(void* context, long result) {
  static_cast<ucontext_t*>(context)->uc_mcontext.regs[0] = static_cast<unsigned long long>(result);
}

}  // namespace sluice::sys
