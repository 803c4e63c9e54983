// sys for processes over the simulated kernel, linked in place of net/sys_process.cc: a worker
// without master, users or files.
#include <cerrno>
#include <cstdlib>

#include "net/sys_process.h"
#include "tests/sim/kernel.h"

namespace sluice::sys {

namespace {

[[noreturn]] void unexpected(const char* call) {
  sim::world().fail(std::string("unexpected system call: ") + call);
}

}  // namespace

int open_for_append(const char*) {
  unexpected("open");
}

ssize_t write(int fd, const void* buffer, size_t bytes) {
  return sim::kernel().write_log(fd, {static_cast<const char*>(buffer), bytes});
}

ssize_t read(int fd, void* buffer, size_t bytes) {
  return sim::kernel().read_pipe(fd, static_cast<char*>(buffer), bytes);
}
bool writable_now(int) {
  return true;
}
int write_whole_file(const char*, const std::string&) {
  unexpected("open");
}
int may_write(const char*) {
  return -EACCES;
}

int remove_file(const char*) {
  unexpected("unlink");
}
Fault open_fault(int answer) {
  return {"open", -answer};
}
FileIdentity file_identity(const char*) {
  return {};
}
LogDescriptor open_standard_stream(int) {
  unexpected("open");
}

pid_t fork() {
  unexpected("fork");
}
pid_t process_id() {
  return 1;
}
std::string host_name() {
  return "";
}
int kill(pid_t, int) {
  unexpected("kill");
}
pid_t reap(int&) {
  unexpected("waitpid");
}
std::string describe_exit(int) {
  return "ended";
}
int exit_status(int) {
  return 0;
}
void exit_now(int) {
  unexpected("_exit");
}
uint64_t raise_descriptor_limit() {
  return 1'000'000;  // not what bounds the proxy: the simulated machine runs out before (ENFILE)
}
uint64_t held_descriptors() {
  return static_cast<uint64_t>(sim::kernel().open_descriptors());
}
bool is_root() {
  return false;
}
Result<UserIds> find_user(const std::string&) {
  return UserIds{};
}
Result<gid_t> find_group(const std::string&) {
  return gid_t{0};
}
Status become_user(const UserIds&) {
  return Done{};
}
int forbid_children() {
  return 0;
}
Status try_in_child(const std::function<Status()>&) {
  unexpected("fork");
}
std::vector<int> passed_descriptors() {
  return {};
}
void* map_file(int, size_t, bool) {
  return nullptr;
}
void hide_environment() {}
void forget_environment() {}

int signal_pipe(std::initializer_list<int>) {
  return sim::kernel().make_signal_pipe();
}
void block_signals() {}
void unblock_signals() {}
int next_signal(int pipe) {
  return sim::kernel().next_signal(pipe);
}
void wait_readable(int, int) {
  unexpected("poll");
}

}  // namespace sluice::sys
