// sys, where kernels differ: sys_platform_linux.cc has this kernel's way, sys_platform_none.cc
// none.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace sluice::sys {

// Processors that this process may use, at least one: those of its affinity, and no more than its
// cgroup's quota permits (v1 and v2), rounded up.
uint32_t processor_count();
// The quota alone, in processors; 0 without one. /proc and /sys stand under `root`, which is ""
// but in tests.
double processor_quota(const std::string& root);
// The most memory that the process's cgroup, or one above it, may take, in bytes; 0 without a
// limit. `root` as above.
uint64_t memory_limit(const std::string& root);

// Closes all descriptors from `first` on but those that are spared.
void close_descriptors(int first, std::span<const int> spared);
// False for a listening socket that no longer accepts, because some process called shutdown() on
// it.
bool still_listens(int listener);

// These hold for this process and its children, for good. They return 0 or -errno.
int forbid_new_privileges();  // by setuid files
int forbid_dumps();           // neither cores nor debuggers without root nor a readable /proc/PID

}  // namespace sluice::sys
