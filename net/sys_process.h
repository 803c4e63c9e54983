// sys for processes: what master, workers and logs ask of the kernel outside the data path. The
// same conventions as sys.h: what the kernel returns, or -errno.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/result.h"

namespace sluice::sys {

// --- files

// Writes of up to this much to a pipe are taken whole or not at all (PIPE_BUF).
inline constexpr size_t pipe_atomic_bytes = 4096;

// As root, open_for_append() and write_whole_file() follow a symbolic link at the path's end only
// where root made it in a folder that only root may change: otherwise a process that runs as the
// logs' owner could make root write anywhere. -ELOOP tells of it.
int open_for_append(const char* path);
int open_for_reading(const char* path);  // a descriptor or -errno
ssize_t write(int fd, const void* buffer, size_t bytes);
ssize_t read(int fd, void* buffer, size_t bytes);
bool writable_now(int fd);
// Whom a file lets read or write it, besides its owner.
struct FileAccess {
  bool others = false;
  bool group = false;
  gid_t group_id = 0;
};
int file_access(const char* path, FileAccess& access);
// The group's name, or its number where it has none.
std::string group_name(gid_t group);
// Whether this process is in that group, as its own or a supplementary one.
bool in_group(gid_t group);
int write_whole_file(const char* path, const std::string& content);
// Reads the file piece by piece through `block`, which is the caller's to wipe: no other copy of
// the content is made. `take` gets each piece and answers whether it wants more. 0, -errno, or
// -EFBIG where `take` wanted no more.
int read_pieces(const char* path, std::span<char> block,
                const std::function<bool(std::string_view piece)>& take);
// Replaces `content` by the file's. 0, -errno, or -EFBIG where the file holds more than
// `most_bytes`.
int read_whole_file(const char* path, size_t most_bytes, std::string& content);
// The same of a file that is open, from its beginning on; its offset stays. Of a larger file
// `content` has the first `most_bytes`.
int read_whole_file(int fd, size_t most_bytes, std::string& content);
int remove_file(const char* path);
int make_folder(const char* path);  // one level, 0755 whatever the umask says
// Whether this process may write to what is there: 0 or -errno.
int may_write(const char* path);
// The Fault of what open_for_append() or write_whole_file() answered.
Fault open_fault(int answer);
// Tells one file from another that took its name; all zero where there is none.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};
FileIdentity file_identity(const char* path);

// What a file is at the moment, behind all links: it is another one, or was written or changed
// otherwise, where this differs. All zeros where there is none.
struct FileState {
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t bytes = 0;
  int64_t written_ns = 0;  // wall clock
  int64_t changed_ns = 0;  // in any way
  friend bool operator==(const FileState&, const FileState&) = default;
};
FileState file_state(const char* path);
// The same of a file that is open, whatever stands at its path by now.
FileState file_state(int fd);
bool is_link(const char* path);

// A log's descriptor; `may_block` where it is in blocking mode and shared with other programs.
struct LogDescriptor {
  int fd = -1;
  bool may_block = false;
};
// Our own non-blocking description of stdout or stderr where the system gives one (pipes, files,
// terminals through /proc), else the shared one.
LogDescriptor open_standard_stream(int fd);

// --- processes

pid_t fork();
pid_t process_id();
int kill(pid_t pid, int signal);
// A child that ended, or 0: `status` as waitpid gives it.
pid_t reap(int& status);
std::string describe_exit(int status);
int exit_status(int status);             // -1 where it did not exit by itself
[[noreturn]] void exit_now(int status);  // without destructors and atexit, for children
// Raises the soft limit of descriptors to the hard one and returns it.
uint64_t raise_descriptor_limit();
// How many descriptors this process has open.
uint64_t held_descriptors();
uint64_t memory_bytes();  // the machine's, or what the process's cgroup may take of it
bool is_root();
uid_t user_id();  // the effective one

// A user by numbers: its own group and all that it is a member of.
struct UserIds {
  uid_t user = 0;
  gid_t group = 0;
  std::vector<gid_t> groups;
};
Result<UserIds> find_user(const std::string& name);
Result<gid_t> find_group(const std::string& name);
// Becomes that user with its groups and no others, for good. A process that is that user already
// stays as it is, which needs no capability.
Status become_user(const UserIds& ids);
// For this process and its children, for good.
int forbid_children();
// Memory that is zero and stays shared with children that are forked later; nullptr where there is
// none. sys::unmap_memory gives it back.
void* map_shared_memory(size_t bytes);
// The first `bytes` of a file, shared with all who map it; nullptr where that cannot be.
// sys::unmap_memory gives it back.
void* map_file(int fd, size_t bytes, bool writable);
// Runs it in a child and returns what it returned there.
Status try_in_child(const std::function<Status()>& call);

// The descriptors that a service manager passed to this process: 3 and up, as LISTEN_PID and
// LISTEN_FDS say (sd_listen_fds(3)).
std::vector<int> passed_descriptors();

// An environment variable's value, "" where it is not set, which neither this process nor its
// children find there any more.
std::string take_variable(const char* name);
// Sends one datagram to the unix socket of that name, which begins with '@' where it is abstract
// (Linux). Does not wait: -EAGAIN where there is no room.
int send_datagram(const std::string& name, std::string_view text);
std::string host_name();  // the machine's, "" where it has none

// The environment lies where every process of the same user and root can read it
// (/proc/PID/environ): moves it elsewhere and wipes it there. getenv() goes on to know it.
void hide_environment();
// Wipes it for this process altogether.
void forget_environment();

// --- signals: delivered as bytes of a pipe

// Unblocks these signals and has them written to a pipe from then on. Returns its non-blocking
// reading end. A forked child calls it again to have a pipe of its own. SIGPIPE is
// ignored.
int signal_pipe(std::initializer_list<int> signals);
// Around fork(): a signal that comes to a child before it has its own pipe would be written to its
// parent's. The child lets them in by signal_pipe().
void block_signals();
void unblock_signals();
// The next signal that came, or 0.
int next_signal(int pipe);
// Waits until the descriptor is readable or the time is over: for programs and tests without a
// reactor.
void wait_readable(int fd, int timeout_ms);

}  // namespace sluice::sys
