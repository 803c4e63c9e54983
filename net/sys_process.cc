// sys for processes over POSIX.
#include "net/sys_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <vector>

#include "net/check.h"
#include "net/sys_platform.h"
#include "net/sys_retry.h"

namespace sluice::sys {

namespace {

int signal_write_end = -1;
int signal_read_end = -1;

void on_signal(int signal) {
  const int saved = errno;
  const auto byte = static_cast<unsigned char>(signal);
  [[maybe_unused]] const ssize_t written = ::write(signal_write_end, &byte, 1);
  errno = saved;
}

// Whether nobody but root can have made the link at `path`, or can put another one there.
bool link_is_roots(const std::string& path) {
  struct stat link {};
  struct stat folder {};
  const size_t slash = path.find_last_of('/');
  const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  if (::lstat(path.c_str(), &link) != 0 || ::stat(parent.c_str(), &folder) != 0) return false;
  const bool shared = (folder.st_mode & (S_IWGRP | S_IWOTH)) != 0;
  const bool guarded = !shared || (folder.st_mode & S_ISVTX) != 0;
  return link.st_uid == 0 && folder.st_uid == 0 && guarded;
}

// Each link of a chain; what is no path (/proc's own links) ends it.
bool links_are_roots(std::string path) {
  for (int links = 0; links < 16; ++links) {
    char target[PATH_MAX];
    const ssize_t length = ::readlink(path.c_str(), target, sizeof target);
    if (length < 0) return true;
    if (!link_is_roots(path)) return false;
    const std::string next(target, static_cast<size_t>(length));
    path = next.starts_with('/') ? next : path.substr(0, path.find_last_of('/') + 1) + next;
  }
  return false;
}

int open_file(const char* path, int flags, mode_t mode) {
  if (::geteuid() != 0) return retry([&] { return ::open(path, flags, mode); });
  const int fd = retry([&] { return ::open(path, flags | O_NOFOLLOW, mode); });
  if (fd != -ELOOP || !links_are_roots(path)) return fd;
  return retry([&] { return ::open(path, flags, mode); });
}

}  // namespace

int open_for_append(const char* path) {
  return open_file(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0640);
}

int open_for_reading(const char* path) {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  return fd >= 0 ? fd : -errno;
}

Fault open_fault(int answer) {
  if (answer == -ELOOP)
    return {"a symbolic link that others than root may change is not followed", 0};
  return {"open", -answer};
}

ssize_t write(int fd, const void* buffer, size_t bytes) {
  return retry([&] { return ::write(fd, buffer, bytes); });
}

ssize_t read(int fd, void* buffer, size_t bytes) {
  return retry([&] { return ::read(fd, buffer, bytes); });
}

bool writable_now(int fd) {
  pollfd question{fd, POLLOUT, 0};
  return ::poll(&question, 1, 0) == 1 && (question.revents & POLLOUT) != 0;
}

int file_access(const char* path, FileAccess& access) {
  struct stat found {};
  if (::stat(path, &found) != 0) return -errno;
  access.others = (found.st_mode & (S_IROTH | S_IWOTH)) != 0;
  access.group = (found.st_mode & (S_IRGRP | S_IWGRP)) != 0;
  access.group_id = found.st_gid;
  return 0;
}

std::string group_name(gid_t group) {
  const struct group* const entry = ::getgrgid(group);
  return entry != nullptr ? entry->gr_name : std::to_string(group);
}

bool in_group(gid_t group) {
  if (group == ::getegid()) return true;
  const int count = ::getgroups(0, nullptr);
  std::vector<gid_t> groups(static_cast<size_t>(std::max(count, 0)));
  const int got = ::getgroups(count, groups.data());
  return std::find(groups.begin(), groups.begin() + std::max(got, 0), group) !=
         groups.begin() + std::max(got, 0);
}

int write_whole_file(const char* path, const std::string& content) {
  const int fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return fd;
  const ssize_t written = write(fd, content.data(), content.size());
  ::close(fd);
  if (written < 0) return static_cast<int>(written);
  return static_cast<size_t>(written) == content.size() ? 0 : -ENOSPC;
}

int read_pieces(const char* path, std::span<char> block,
                const std::function<bool(std::string_view piece)>& take) {
  const int fd = retry([&] { return ::open(path, O_RDONLY | O_CLOEXEC); });
  if (fd < 0) return fd;
  ssize_t got = 0;
  while ((got = read(fd, block.data(), block.size())) > 0) {
    if (!take({block.data(), static_cast<size_t>(got)})) {
      got = -EFBIG;
      break;
    }
  }
  ::close(fd);
  return static_cast<int>(got);
}

int read_whole_file(const char* path, size_t most_bytes, std::string& content) {
  char block[4096];
  content.clear();
  return read_pieces(path, block, [&](std::string_view piece) {
    if (piece.size() > most_bytes - content.size()) return false;
    content += piece;
    return true;
  });
}

int read_whole_file(int fd, size_t most_bytes, std::string& content) {
  char block[4096];
  content.clear();
  for (;;) {
    const ssize_t got =
        retry([&] { return ::pread(fd, block, sizeof block, static_cast<off_t>(content.size())); });
    if (got < 0) return static_cast<int>(got);
    if (got == 0) return 0;
    const size_t taken = std::min(static_cast<size_t>(got), most_bytes - content.size());
    content.append(block, taken);
    if (taken < static_cast<size_t>(got)) return -EFBIG;
  }
}

int may_write(const char* path) {
  return ::faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0 ? 0 : -errno;
}

int remove_file(const char* path) {
  return ::unlink(path) == 0 ? 0 : -errno;
}

int make_folder(const char* path) {
  constexpr mode_t mode = 0755;
  if (::mkdir(path, mode) != 0) return -errno;
  return ::chmod(path, mode) == 0 ? 0 : -errno;
}

namespace {

FileState state_of(const struct stat& what) {
  const auto ns = [](const timespec& time) {
    return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
  };
  return {static_cast<uint64_t>(what.st_dev), static_cast<uint64_t>(what.st_ino),
          static_cast<int64_t>(what.st_size), ns(what.st_mtim), ns(what.st_ctim)};
}

}  // namespace

FileState file_state(const char* path) {
  struct stat what {};
  return ::stat(path, &what) == 0 ? state_of(what) : FileState();
}

FileState file_state(int fd) {
  struct stat what {};
  return ::fstat(fd, &what) == 0 ? state_of(what) : FileState();
}

bool is_link(const char* path) {
  struct stat what {};
  return ::lstat(path, &what) == 0 && S_ISLNK(what.st_mode);
}

FileIdentity file_identity(const char* path) {
  struct stat what {};
  if (::lstat(path, &what) != 0) return {};
  return {static_cast<uint64_t>(what.st_dev), static_cast<uint64_t>(what.st_ino)};
}

LogDescriptor open_standard_stream(int fd) {
  struct stat what {};
  if (::fstat(fd, &what) != 0) return {};
  // A plain file cannot block, and a second description would begin at another offset.
  if (S_ISREG(what.st_mode)) return {::fcntl(fd, F_DUPFD_CLOEXEC, 3), false};
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  const int own = ::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (own >= 0) return {own, false};
  return {::fcntl(fd, F_DUPFD_CLOEXEC, 3), true};
}

pid_t fork() {
  const pid_t pid = ::fork();
  return pid >= 0 ? pid : -errno;
}

pid_t process_id() {
  return ::getpid();
}

int kill(pid_t pid, int signal) {
  return ::kill(pid, signal) == 0 ? 0 : -errno;
}

pid_t reap(int& status) {
  const pid_t pid = ::waitpid(-1, &status, WNOHANG);
  return pid > 0 ? pid : 0;
}

std::string describe_exit(int status) {
  if (WIFEXITED(status)) return "exited with status " + std::to_string(WEXITSTATUS(status));
  if (WIFSIGNALED(status)) return "was killed by signal " + std::to_string(WTERMSIG(status));
  return "ended";
}

int exit_status(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void exit_now(int status) {
  ::_exit(status);
}

uint64_t raise_descriptor_limit() {
  rlimit limit{};
  SLUICE_CHECK(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  if (limit.rlim_cur < limit.rlim_max) {
    rlimit raised = limit;
    raised.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  return limit.rlim_cur;
}

// Without /proc, the low descriptors are asked one by one: the kernel always gives out the lowest
// free one.
uint64_t held_descriptors() {
  uint64_t held = 0;
  if (DIR* folder = ::opendir("/proc/self/fd")) {
    while (const dirent* entry = ::readdir(folder)) held += entry->d_name[0] != '.';
    ::closedir(folder);
    return held - 1;  // the folder's own
  }
  const int most = static_cast<int>(std::min<uint64_t>(raise_descriptor_limit(), 65'536));
  for (int fd = 0; fd < most; ++fd) held += ::fcntl(fd, F_GETFD) >= 0;
  return held;
}

uint64_t memory_bytes() {
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long page_bytes = ::sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page_bytes <= 0) return 0;
  const uint64_t machine = static_cast<uint64_t>(pages) * static_cast<uint64_t>(page_bytes);
  const uint64_t limit = memory_limit("");
  return limit == 0 ? machine : std::min(machine, limit);
}

bool is_root() {
  return user_id() == 0;
}

uid_t user_id() {
  return ::geteuid();
}

Result<UserIds> find_user(const std::string& name) {
  errno = 0;
  const passwd* entry = ::getpwnam(name.c_str());
  if (entry == nullptr) return Fault{"no such user", errno};
  UserIds ids{entry->pw_uid, entry->pw_gid, {}};
  int count = 32;
  int got = -1;
  do {
    ids.groups.resize(static_cast<size_t>(count));
    got = ::getgrouplist(name.c_str(), ids.group, ids.groups.data(), &count);
  } while (got < 0 && static_cast<size_t>(count) > ids.groups.size());
  if (got < 0) return Fault{"getgrouplist", ENOMEM};  // else zeros would stand for groups: root's
  ids.groups.resize(static_cast<size_t>(std::max(count, 0)));
  return ids;
}

Result<gid_t> find_group(const std::string& name) {
  errno = 0;
  const ::group* entry = ::getgrnam(name.c_str());
  if (entry == nullptr) return Fault{"no such group", errno};
  return entry->gr_gid;
}

int forbid_children() {
  const rlimit none{0, 0};
  return ::setrlimit(RLIMIT_NPROC, &none) == 0 ? 0 : -errno;
}

Status become_user(const UserIds& ids) {
  if (::geteuid() == ids.user && ::getuid() == ids.user && ::getegid() == ids.group) return Done{};
  if (::setgroups(ids.groups.size(), ids.groups.data()) != 0) return Fault{"setgroups", errno};
  if (::setgid(ids.group) != 0) return Fault{"setgid", errno};
  if (::setuid(ids.user) != 0) return Fault{"setuid", errno};
  return Done{};
}

void* map_shared_memory(size_t bytes) {
  // Callers lay out for the most that there may ever be, and touch what there is.
  const int flags = MAP_SHARED | MAP_ANONYMOUS | unreserved_memory_flag();
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

void* map_file(int fd, size_t bytes, bool writable) {
  const int rights = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  void* memory = ::mmap(nullptr, bytes, rights, MAP_SHARED, fd, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

// A Fault's text is static, so that its address means the same in the child, a copy of this
// process.
Status try_in_child(const std::function<Status()>& call) {
  int ends[2];
  if (::pipe(ends) != 0) return Fault{"pipe", errno};
  const pid_t pid = ::fork();
  const int error = errno;
  if (pid == 0) {
    const Status done = call();
    const Fault told = done.ok() ? Fault{nullptr, 0} : done.fault();
    exit_now(write(ends[1], &told, sizeof told) == sizeof told ? 0 : 1);
  }
  ::close(ends[1]);
  Fault told{"the child that tried ended", 0};
  if (pid > 0) {
    Fault heard;
    if (read(ends[0], &heard, sizeof heard) == sizeof heard) told = heard;
    retry([&] { return ::waitpid(pid, nullptr, 0); });
  }
  ::close(ends[0]);
  if (pid < 0) return Fault{"fork", error};
  if (told.what != nullptr) return told;
  return Done{};
}

std::vector<int> passed_descriptors() {
  const char* pid = std::getenv("LISTEN_PID");
  const char* count = std::getenv("LISTEN_FDS");
  if (pid == nullptr || count == nullptr || std::atol(pid) != ::getpid()) return {};
  std::vector<int> passed(static_cast<size_t>(std::clamp(std::atoi(count), 0, 4096)));
  std::iota(passed.begin(), passed.end(), 3);
  return passed;
}

std::string take_variable(const char* name) {
  const char* const value = std::getenv(name);
  if (value == nullptr) return "";
  std::string taken = value;
  ::unsetenv(name);
  return taken;
}

int send_datagram(const std::string& name, std::string_view text) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.empty() || name.size() >= sizeof address.sun_path) return -EINVAL;
  std::copy(name.begin(), name.end(), address.sun_path);
  const bool abstract = name[0] == '@';
  if (abstract) address.sun_path[0] = '\0';  // its length ends it, else a NUL does
  const auto length =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + (abstract ? 0 : 1));
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  const ssize_t sent = retry([&] {
    return ::sendto(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                    reinterpret_cast<const sockaddr*>(&address), length);
  });
  ::close(fd);
  return static_cast<int>(std::min<ssize_t>(sent, 0));
}

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

void hide_environment() {
  static std::vector<std::string> variables;
  static std::vector<char*> pointers;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    variables.emplace_back(*variable);
    ::explicit_bzero(*variable, std::strlen(*variable));
  }
  for (std::string& variable : variables) pointers.push_back(variable.data());
  pointers.push_back(nullptr);
  environ = pointers.data();
}

void forget_environment() {
  char** const variables = environ;
  environ = nullptr;
  for (char** variable = variables; variable != nullptr && *variable != nullptr; ++variable) {
    ::explicit_bzero(*variable, std::strlen(*variable));
  }
}

int signal_pipe(std::initializer_list<int> signals) {
  if (signal_read_end >= 0) {
    ::close(signal_read_end);
    ::close(signal_write_end);
  }
  int ends[2];
  SLUICE_CHECK(::pipe(ends) == 0);
  for (const int end : ends) {
    SLUICE_CHECK(::fcntl(end, F_SETFL, O_NONBLOCK) == 0);
    SLUICE_CHECK(::fcntl(end, F_SETFD, FD_CLOEXEC) == 0);
  }
  signal_read_end = ends[0];
  signal_write_end = ends[1];
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  ::sigfillset(&action.sa_mask);
  for (const int signal : signals) SLUICE_CHECK(::sigaction(signal, &action, nullptr) == 0);
  ::signal(SIGPIPE, SIG_IGN);
  unblock_signals();
  return signal_read_end;
}

void block_signals() {
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
}

void unblock_signals() {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

int next_signal(int pipe) {
  unsigned char byte = 0;
  return read(pipe, &byte, 1) == 1 ? byte : 0;
}

void wait_readable(int fd, int timeout_ms) {
  pollfd question{fd, POLLIN, 0};
  ::poll(&question, 1, timeout_ms);
}

}  // namespace sluice::sys
