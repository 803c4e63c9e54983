// Privileges: what is left to a process that confined itself, by /proc and by trying.
#include "core/process/privileges.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <string>

#include "net/check.h"
#include "net/sys_platform.h"
#include "net/sys_sandbox.h"
#include "tests/unit/process_testing.h"

namespace sluice {
namespace {

using testing::content_of;
using testing::run_in_child;
using testing::TemporaryFolder;

// A worker's user as root has it: nobody; else this process stays who it is.
WorkerUser user_here() {
  const Result<WorkerUser> found = find_worker_user(sys::is_root() ? fallback_user : "");
  REQUIRE(found.ok());
  return found.value();
}

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

// What the kernel says of a process that this call has confined: read through a descriptor from
// before, because it may open nothing afterwards.
std::string status_after(const WorkerUser& user, bool sandbox) {
  const TemporaryFolder folder;
  const std::string copy = folder.file("status");
  const int status = run_in_child([&] {
    const int from = ::open("/proc/self/status", O_RDONLY);
    const int to = ::open(copy.c_str(), O_WRONLY | O_CREAT, 0600);
    if (!confine(user, sandbox).ok()) return 1;
    char text[8192];
    const ssize_t got = sys::read(from, text, sizeof text);
    return got > 0 && sys::write(to, text, static_cast<size_t>(got)) == got ? 0 : 2;
  });
  CHECK(sys::describe_exit(status) == "exited with status 0");
  return content_of(copy);
}

TEST_CASE("privileges: a confined process has no capability, also where its user is root") {
  std::vector<WorkerUser> users = {user_here()};
  if (sys::is_root()) users.push_back(WorkerUser{"root", sys::find_user("root").value()});
  for (const WorkerUser& user : users) {
    CAPTURE(user.name);
    const std::string status = status_after(user, true);
    const std::string none = ":\t0000000000000000";
    for (const std::string set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) {
      CHECK(has_line(status, set + none));
    }
    // Without root, it takes a capability to empty the bounding set.
    if (sys::is_root()) CHECK(has_line(status, "CapBnd" + none));
    CHECK(has_line(status, "NoNewPrivs:\t1"));
    CHECK(has_line(status, "Seccomp:\t2") == (!sanitized && sys::can_filter_calls()));
  }
}

TEST_CASE("privileges: without the sandbox, calls and files are left alone, capabilities are not") {
  const std::string status = status_after(user_here(), false);
  CHECK(has_line(status, "CapEff:\t0000000000000000"));
  CHECK(has_line(status, "Seccomp:\t0"));
}

TEST_CASE("privileges: Landlock alone keeps all files from a process, and what is open works on") {
  if (!sys::can_forbid_files()) {
    MESSAGE("this kernel has no Landlock");
    return;
  }
  const TemporaryFolder folder;
  const int status = run_in_child([&] {
    const int log = ::open(folder.file("log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (sys::forbid_new_privileges() != 0 || sys::forbid_files() != 0) return 1;
    if (::open("/etc/passwd", O_RDONLY) >= 0 || errno != EACCES) return 2;
    if (::open(folder.file("new").c_str(), O_WRONLY | O_CREAT, 0644) >= 0) return 3;
    if (::unlink(folder.file("log").c_str()) == 0) return 4;
    // Where the kernel guards ports, too, one that the system chooses is no port of somebody's.
    const int fd = sys::stream_socket(AF_INET);
    if (sys::bind(fd, Address::from_ip("127.0.0.1", 0).value()) != 0) return 6;
    return sys::write(log, "x\n", 2) == 2 ? 0 : 5;
  });
  CHECK(sys::describe_exit(status) == "exited with status 0");
  CHECK(content_of(folder.file("log")) == "x\n");
}

TEST_CASE("privileges: a trial tells whether confining would work, and confines nobody here") {
  CHECK(try_confinement(user_here(), true).ok());
  CHECK(::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
  if (!sys::is_root()) return;
  const int status = run_in_child([] {
    // Once nobody, it can become nobody else.
    if (!confine(user_here(), false).ok()) return 1;
    const WorkerUser root{"root", {0, 0, {0}}};
    const Status confined = confine(root, false);
    return !confined.ok() && confined.fault().error == EPERM ? 0 : 2;
  });
  CHECK(sys::describe_exit(status) == "exited with status 0");
}

TEST_CASE("privileges: a refused call is told once, by its name") {
  if (sanitized || !sys::can_filter_calls()) return;
  CHECK(sandbox_gaps().find("not filtered") == std::string::npos);
  const TemporaryFolder folder;
  const int status = run_in_child([&] {
    Log log;
    log.error_sink.use({sys::open_for_append(folder.file("log").c_str()), false});
    if (!confine(WorkerUser{}, true).ok()) return 1;
    tell_refused_calls(log);
    for (int i = 0; i < 3; ++i) {
      if (::socket(AF_NETLINK, SOCK_RAW, 0) >= 0) return 2;
      tell_refused_calls(log);
    }
    log.flush();
    return 0;
  });
  CHECK(sys::describe_exit(status) == "exited with status 0");
  const std::string told = content_of(folder.file("log"));
  const std::string line = " error the sandbox refused the system call socket (";
  CHECK(told.find(line) != std::string::npos);
  CHECK(told.find(line) == told.rfind(line));
}

}  // namespace
}  // namespace sluice
