// Assertions that stay on in release builds: our own fault ends the worker, a peer's never does.
// May be included everywhere.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace sluice {

// Where a failed check says what failed: stderr, or the error log's descriptor (net/sys_trace.h).
inline int fault_descriptor = 2;

[[noreturn, gnu::cold]] inline void check_failed(const char* condition, const char* file,
                                                 int line) {
  dprintf(fault_descriptor, "sluice: %s:%d: assertion failed: %s\n", file, line, condition);
  std::abort();
}

// Whether this is a build with sanitizers.
#ifdef SLUICE_SANITIZED
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif

}  // namespace sluice

// NOLINTNEXTLINE(cppcoreguidelines-macro-usage): file and line of the caller are the point
#define SLUICE_CHECK(condition) \
  ((condition) ? void(0) : ::sluice::check_failed(#condition, __FILE__, __LINE__))

// For the per-frame path: checked in debug and sanitizer builds only.
#ifdef SLUICE_DEBUG_CHECKS
#define SLUICE_DCHECK(condition) SLUICE_CHECK(condition)
#else
#define SLUICE_DCHECK(condition) void(0)
#endif
