// The result of a system call, in the registers that a signal handler was given. Each processor has
// a file of its own.
#pragma once

namespace sluice::sys {

// `context` is a handler's third argument. The call returns `result` once the handler has.
void set_call_result(void* context, long result);

}  // namespace sluice::sys
