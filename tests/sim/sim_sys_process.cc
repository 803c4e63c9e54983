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
  return EACCES;
}

int remove_file(const char*) {
  unexpected("unlink");
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
int kill(pid_t, int) {
  unexpected("kill");
}
pid_t reap(int&) {
  unexpected("waitpid");
}
std::string describe_exit(int) {
  return "ended";
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
uint32_t processor_count() {
  return 1;
}
bool is_root() {
  return false;
}
Status drop_privileges(const std::string&) {
  return Done{};
}
Status user_exists(const std::string&) {
  return Done{};
}

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
