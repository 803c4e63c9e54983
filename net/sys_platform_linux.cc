// sys over what Linux alone has: affinity, cgroups, close_range, prctl, capabilities, Landlock.
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <vector>

#include "net/sys_platform.h"

namespace sluice::sys {

namespace {

// The affinity's processors; the mask grows until the kernel's fits.
uint32_t processors_of_affinity() {
  for (int most = 1024; most <= 1 << 20; most *= 2) {
    cpu_set_t* const set = CPU_ALLOC(static_cast<size_t>(most));
    if (set == nullptr) break;
    const size_t bytes = CPU_ALLOC_SIZE(static_cast<size_t>(most));
    const bool known = ::sched_getaffinity(0, bytes, set) == 0;
    const int count = known ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (known) return static_cast<uint32_t>(std::max(count, 1));
    if (errno != EINVAL) break;
  }
  const long count = ::sysconf(_SC_NPROCESSORS_ONLN);
  return count > 0 ? static_cast<uint32_t>(count) : 1;
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// The smaller of two limits; 0 stands for none.
double smaller_limit(double one, double other) {
  if (one <= 0) return other;
  return other <= 0 ? one : std::min(one, other);
}

// "150000 100000" is one and a half processors; "max 100000", a negative one or nothing is no
// quota.
double quota_of(const std::string& quota, const std::string& period) {
  const double microseconds = std::atof(quota.c_str());
  const double of = std::atof(period.c_str());
  return microseconds > 0 && of > 0 ? microseconds / of : 0;
}

double processors_of_group(const std::string& folder, bool second_version) {
  if (second_version) {
    std::istringstream words(first_line(folder + "/cpu.max"));
    std::string quota;
    std::string period;
    words >> quota >> period;
    return quota_of(quota, period);
  }
  return quota_of(first_line(folder + "/cpu.cfs_quota_us"),
                  first_line(folder + "/cpu.cfs_period_us"));
}

// "max" or nothing is no limit; version 1 writes a number larger than any machine's for none.
double memory_of_group(const std::string& folder, bool second_version) {
  const char* name = second_version ? "/memory.max" : "/memory.limit_in_bytes";
  return std::atof(first_line(folder + name).c_str());
}

using LimitOfGroup = double (*)(const std::string& folder, bool second_version);

// A group's limit binds all groups below it. In a container the path may be the host's; then
// only the mount's own folder can be seen.
double limit_of_path(LimitOfGroup limit_of, const std::string& mount, std::string path,
                     bool second_version) {
  double limit = 0;
  for (;;) {
    limit = smaller_limit(limit, limit_of(mount + path, second_version));
    const size_t slash = path.find_last_of('/');
    if (path.empty() || slash == std::string::npos) return limit;
    path.resize(slash);
  }
}

bool has_word(const std::string& list, const std::string& word) {
  return ("," + list + ",").find("," + word + ",") != std::string::npos;
}

// The tightest limit that a controller sets to this process; 0 without one. Lines are
// HIERARCHY:CONTROLLERS:PATH; version 2 is hierarchy 0 without controllers (cgroups(7)).
double group_limit(const std::string& root, const std::string& controller, LimitOfGroup limit_of) {
  double limit = 0;
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    const std::string mounts = root + "/sys/fs/cgroup";
    if (controllers.empty()) {
      limit = smaller_limit(limit, limit_of_path(limit_of, mounts, path, true));
    } else if (has_word(controllers, controller)) {
      for (const std::string& mount : {controllers, controller}) {
        limit = smaller_limit(limit, limit_of_path(limit_of, mounts + "/" + mount, path, false));
      }
    }
  }
  return limit;
}

// struct landlock_ruleset_attr as of version 6; a kernel that knows less takes zeros for the rest.
struct LandlockRules {
  uint64_t files = 0;
  uint64_t ports = 0;
  uint64_t scopes = 0;
};

// 0 where the kernel has none, or does not use it.
int landlock_version() {
  const long version =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return version > 0 ? static_cast<int>(version) : 0;
}

// What each version of Landlock can forbid; headers may be older than the kernel, so that these
// are numbers of its interface (linux/landlock.h).
LandlockRules all_rules(int version) {
  constexpr uint64_t bind_tcp = 1;
  constexpr uint64_t signals = 2;  // to processes outside; 1 would be abstract unix sockets
  LandlockRules rules;
  rules.files = (uint64_t{1} << 13) - 1;
  if (version >= 2) rules.files |= uint64_t{1} << 13;  // moves between folders
  if (version >= 3) rules.files |= uint64_t{1} << 14;  // truncate
  if (version >= 4) rules.ports = bind_tcp;
  if (version >= 5) rules.files |= uint64_t{1} << 15;  // ioctl of devices
  if (version >= 6) rules.scopes = signals;
  return rules;
}

}  // namespace

uint32_t processor_count() {
  const uint32_t usable = processors_of_affinity();
  const double quota = processor_quota("");
  if (quota <= 0) return usable;
  return std::clamp(static_cast<uint32_t>(std::min(std::ceil(quota), 1e6)), 1u, usable);
}

double processor_quota(const std::string& root) {
  return group_limit(root, "cpu", processors_of_group);
}

uint64_t memory_limit(const std::string& root) {
  const double limit = group_limit(root, "memory", memory_of_group);
  return limit <= 0 || limit >= 0x1p63 ? 0 : static_cast<uint64_t>(limit);
}

void close_descriptors(int first, std::span<const int> spared) {
  std::vector<int> kept(spared.begin(), spared.end());
  std::sort(kept.begin(), kept.end());
  auto from = static_cast<unsigned>(first);
  for (const int fd : kept) {
    if (fd < first) continue;
    const auto spared_fd = static_cast<unsigned>(fd);
    if (spared_fd > from) ::close_range(from, spared_fd - 1, 0);
    from = std::max(from, spared_fd + 1);
  }
  ::close_range(from, UINT_MAX, 0);
}

// After shutdown() a TCP listener no longer is one; a unix listener is, but hangs up.
bool still_listens(int listener) {
  int accepting = 0;
  socklen_t length = sizeof accepting;
  if (::getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN, &accepting, &length) != 0) return false;
  pollfd question{listener, POLLRDHUP, 0};
  const bool ended =
      ::poll(&question, 1, 0) > 0 && (question.revents & (POLLHUP | POLLRDHUP | POLLNVAL)) != 0;
  return accepting != 0 && !ended;
}

int set_bind_address_no_port(int fd) {
  const int on = 1;
  return ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) == 0 ? 0 : -errno;
}

int peer_user(int fd, uid_t& user) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return -errno;
  user = peer.uid;
  return 0;
}

int memory_file(size_t bytes) {
  const int fd = ::memfd_create("sluice", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return -errno;
  if (::ftruncate(fd, static_cast<off_t>(bytes)) == 0) return fd;
  const int error = errno;
  ::close(fd);
  return -error;
}

// Kernels before 5.1 do not know F_SEAL_FUTURE_WRITE.
int seal_memory_file(int fd) {
  constexpr int size_seals = F_SEAL_SHRINK | F_SEAL_GROW;
  if (::fcntl(fd, F_ADD_SEALS, size_seals | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) == 0) return 0;
  if (errno == EINVAL && ::fcntl(fd, F_ADD_SEALS, size_seals | F_SEAL_SEAL) == 0) return 0;
  return -errno;
}

int forbid_new_privileges() {
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : -errno;
}

int forbid_dumps() {
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0) return -errno;
  return ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : -errno;
}

// The kernel may know more of them than its headers here: its own last one ends the list (EINVAL).
int forbid_gaining_capabilities() {
  for (unsigned long capability = 0;; ++capability) {
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
    return errno == EINVAL ? 0 : -errno;
  }
}

// Ambient ones go with those that the process no longer has.
int drop_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3]{};
  return ::syscall(SYS_capset, &header, none) == 0 ? 0 : -errno;
}

bool can_forbid_files() {
  return landlock_version() > 0;
}

int forbid_files() {
  const LandlockRules rules = all_rules(landlock_version());
  const auto fd = static_cast<int>(::syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0));
  if (fd < 0) return -errno;
  if (rules.ports != 0) {
    constexpr unsigned net_port = 2;  // LANDLOCK_RULE_NET_PORT
    struct {
      uint64_t allowed;
      uint64_t port;
    } const any_free_one{rules.ports, 0};
    ::syscall(SYS_landlock_add_rule, fd, net_port, &any_free_one, 0);
  }
  const int answer = ::syscall(SYS_landlock_restrict_self, fd, 0) == 0 ? 0 : -errno;
  ::close(fd);
  return answer;
}

int unreserved_memory_flag() {
  return MAP_NORESERVE;
}

}  // namespace sluice::sys
