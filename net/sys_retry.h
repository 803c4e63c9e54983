// How sys and sys_process make a system call. For their sources alone.
#pragma once

#include <cerrno>

namespace sluice::sys {

// Calls until the answer is not EINTR and turns errno into a negative return.
template <class Call>
auto retry(Call call) -> decltype(call()) {
  for (;;) {
    const auto answer = call();
    if (answer >= 0) return answer;
    if (errno != EINTR) return static_cast<decltype(call())>(-errno);
  }
}

}  // namespace sluice::sys
