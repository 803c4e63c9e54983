// sys, where kernels differ: sys_platform_linux.cc has this kernel's way, sys_platform_none.cc
// none.
#pragma once

#include <sys/types.h>

#include <cstddef>
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
// A port that bind() leaves to the system (0) is chosen by connect(), which knows the peer: it need
// be free toward that peer alone. 0 or -errno; -ENOSYS where there is no such thing.
int set_bind_address_no_port(int fd);
// Whom the process at the other end of a connected unix socket ran as when it connected, by its
// effective id. 0 or -errno.
int peer_user(int fd, uid_t& user);

// A file of so many bytes, all zero, that lies in memory and has no name, for processes that get
// its descriptor: a non-negative one, or -errno.
int memory_file(size_t bytes);
// From then on nobody changes its size, and nobody writes to it but through mappings that are there
// already, as far as the system can see to that. 0 or -errno.
int seal_memory_file(int fd);

// These hold for this process and its children, for good. They return 0 or -errno.
int forbid_new_privileges();  // by setuid files
int forbid_dumps();           // neither cores nor debuggers without root nor a readable /proc/PID
// Capabilities (capabilities(7)). The first empties the bounding set, from which programs that are
// started later could get some; that needs a capability itself: -EPERM, and the set stays. The
// second gives up all that the process has: effective, permitted, inheritable and ambient ones.
int forbid_gaining_capabilities();
int drop_capabilities();
// Landlock (landlock(7)): no file is opened, made, removed or changed by its path, no port is bound
// but one that the system chooses, no process outside is signalled, as far as the kernel knows of
// each. What is open stays usable, and unix sockets can be connected to. forbid_files() needs
// forbid_new_privileges() before.
bool can_forbid_files();
int forbid_files();

// For mmap(2), of memory of which most will never be touched: it is counted when it is.
int unreserved_memory_flag();

}  // namespace sluice::sys
