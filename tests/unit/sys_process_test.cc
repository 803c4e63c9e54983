// sys for processes: signals as bytes, children and how they end, files, limits and privileges.
#include "net/sys_process.h"

#include <dlfcn.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "net/sys.h"
#include "tests/unit/net_testing.h"

namespace {

bool no_memory_for_groups = false;

}  // namespace

// In libc's place, to fail as it does without memory: the count stays as it was.
extern "C" int getgrouplist(const char* user, gid_t group, gid_t* groups, int* count) {
  if (no_memory_for_groups) return -1;
  static const auto real =
      reinterpret_cast<decltype(&getgrouplist)>(::dlsym(RTLD_NEXT, "getgrouplist"));
  return real(user, group, groups, count);
}

namespace sluice {
namespace {

using testing::Descriptor;
using testing::run_in_child;

struct Pipe {
  Pipe() {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    read = Descriptor(ends[0]);
    write = Descriptor(ends[1]);
  }
  Descriptor read;
  Descriptor write;
};

std::string content_of(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

bool exited_with(int status, int code) {
  return WIFEXITED(status) && WEXITSTATUS(status) == code;
}

// --- signals ------------------------------------------------------------------------------------

TEST_CASE("sys_process: signals come out of the pipe in order, then nothing") {
  const int status = run_in_child([] {
    const int pipe = sys::signal_pipe({SIGUSR1, SIGUSR2, SIGHUP});
    if (sys::next_signal(pipe) != 0) return 1;
    for (const int signal : {SIGUSR2, SIGHUP, SIGUSR1}) {
      if (sys::kill(sys::process_id(), signal) != 0) return 2;
    }
    for (const int signal : {SIGUSR2, SIGHUP, SIGUSR1}) {
      sys::wait_readable(pipe, testing::patience_ms);
      if (sys::next_signal(pipe) != signal) return 3;
    }
    return sys::next_signal(pipe) == 0 ? 0 : 4;
  });
  CHECK(exited_with(status, 0));
}

TEST_CASE("sys_process: more signals than the pipe holds block nobody") {
  const int status = run_in_child([] {
    const int pipe = sys::signal_pipe({SIGUSR1});
    for (int i = 0; i < 100'000; ++i) ::raise(SIGUSR1);
    int told = 0;
    while (sys::next_signal(pipe) == SIGUSR1) ++told;
    return told > 0 && told < 100'000 ? 0 : 1;
  });
  CHECK(exited_with(status, 0));
}

TEST_CASE("sys_process: with a signal pipe, SIGPIPE does not kill") {
  const int status = run_in_child([] {
    sys::signal_pipe({});
    int ends[2];
    if (::pipe(ends) != 0) return 1;
    ::close(ends[0]);
    return sys::write(ends[1], "x", 1) == -EPIPE ? 0 : 2;
  });
  CHECK(exited_with(status, 0));
}

TEST_CASE("sys_process: a child that asks again has a pipe of its own") {
  const int status = run_in_child([] {
    const int ours = sys::signal_pipe({SIGUSR1});
    const pid_t child = sys::fork();
    if (child == 0) {
      const int own = sys::signal_pipe({SIGUSR1});
      sys::kill(sys::process_id(), SIGUSR1);
      sys::wait_readable(own, testing::patience_ms);
      sys::exit_now(sys::next_signal(own) == SIGUSR1 ? 0 : 1);
    }
    int child_status = -1;
    if (::waitpid(child, &child_status, 0) != child || child_status != 0) return 1;
    return sys::next_signal(ours) == 0 ? 0 : 2;
  });
  CHECK(exited_with(status, 0));
}

// --- processes ----------------------------------------------------------------------------------

TEST_CASE("sys_process: a child that ended is reaped once, with its status") {
  const Pipe gate;
  int status = -1;
  CHECK(sys::reap(status) == 0);  // no child at all
  const pid_t child = sys::fork();
  if (child == 0) {
    char byte = 0;
    sys::read(gate.read.get(), &byte, 1);
    sys::exit_now(7);
  }
  REQUIRE(child > 0);
  CHECK(sys::reap(status) == 0);  // it lives
  REQUIRE(sys::write(gate.write.get(), "x", 1) == 1);
  const uint64_t end_ns = sys::monotonic_ns() + uint64_t{testing::patience_ms} * 1'000'000;
  pid_t reaped = 0;
  while (reaped == 0 && sys::monotonic_ns() < end_ns) {
    reaped = sys::reap(status);
    sys::wait_readable(-1, 1);
  }
  CHECK(reaped == child);
  CHECK(sys::describe_exit(status) == "exited with status 7");
  CHECK(sys::reap(status) == 0);
}

TEST_CASE("sys_process: how a child ended, in words") {
  CHECK(sys::describe_exit(run_in_child([] { return 0; })) == "exited with status 0");
  const int killed = run_in_child([] {
    sys::kill(sys::process_id(), SIGKILL);
    return 0;
  });
  CHECK(sys::describe_exit(killed) == "was killed by signal 9");
}

TEST_CASE("sys_process: kill tells why it could not") {
  CHECK(sys::kill(sys::process_id(), 0) == 0);
  CHECK(sys::kill(sys::process_id(), 12345) == -EINVAL);
}

TEST_CASE("sys_process: the soft limit of descriptors rises to the hard one") {
  const int status = run_in_child([] {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1;
    const rlimit low{64, limit.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &low) != 0) return 2;
    if (sys::raise_descriptor_limit() != limit.rlim_max) return 3;
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 4;
    return limit.rlim_cur == limit.rlim_max ? 0 : 5;
  });
  CHECK(exited_with(status, 0));
}

TEST_CASE("sys_process: users that there are and are not") {
  const Result<sys::UserIds> root = sys::find_user("root");
  REQUIRE(root.ok());
  CHECK(root.value().user == 0);
  CHECK(root.value().groups.size() >= 1);
  const auto nobody_such = sys::find_user("no-such-user-of-sluice");
  REQUIRE_FALSE(nobody_such.ok());
  CHECK(std::string(nobody_such.fault().what) == "no such user");
  CHECK(sys::is_root() == (::geteuid() == 0));
}

TEST_CASE("sys_process: a user whose groups cannot be listed is in none, and no user to become") {
  no_memory_for_groups = true;
  const Result<sys::UserIds> root = sys::find_user("root");
  no_memory_for_groups = false;
  REQUIRE_FALSE(root.ok());
  CHECK(std::string(root.fault().what) == "getgrouplist");
  CHECK(root.fault().error == ENOMEM);
}

TEST_CASE("sys_process: privileges are dropped with user and all groups, for good") {
  const Result<sys::UserIds> nobody = sys::find_user("nobody");
  if (!sys::is_root() || !nobody.ok()) {
    MESSAGE("only root can drop privileges, and nobody must be there");
    return;
  }
  const int status = run_in_child([&nobody] {
    const sys::UserIds& ids = nobody.value();
    const gid_t extra[] = {0, 1, 2};
    if (::setgroups(3, extra) != 0) return 1;
    if (!sys::become_user(ids).ok()) return 2;
    if (::getuid() != ids.user || ::geteuid() != ids.user) return 3;
    if (::getgid() != ids.group || ::getegid() != ids.group) return 4;
    gid_t groups[64];
    const int count = ::getgroups(64, groups);
    for (int i = 0; i < count; ++i) {
      if (groups[i] != ids.group) return 5;
    }
    if (sys::is_root() || ::setuid(0) == 0 || ::setgid(0) == 0) return 6;
    if (!sys::become_user(ids).ok()) return 7;  // is it already
    return sys::become_user(sys::UserIds{}).ok() ? 8 : 0;
  });
  CHECK(sys::describe_exit(status) == "exited with status 0");
}

TEST_CASE("sys_process: a trial's fault comes back from the child, and nothing of it stays") {
  CHECK(sys::try_in_child([]() -> Status { return Done{}; }).ok());
  static int changed = 0;
  const Status failed = sys::try_in_child([]() -> Status {
    changed = 1;
    return Fault{"setuid", EPERM};
  });
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.fault().text() == "setuid: Operation not permitted");
  CHECK(changed == 0);
  const Status died = sys::try_in_child([]() -> Status { sys::exit_now(0); });
  CHECK(std::string(died.fault().what) == "the child that tried ended");
}

TEST_CASE("sys_process: a hidden environment is known to getenv() and to nobody outside") {
  const int status = run_in_child([] {
    const auto seen = [] { return content_of("/proc/self/environ"); };
    const std::string before = seen();
    if (before.find("PATH=") == std::string::npos) return 1;
    sys::hide_environment();
    if (std::getenv("PATH") == nullptr || ::setenv("SLUICE_NEW", "1", 1) != 0) return 2;
    if (seen().find_first_not_of('\0') != std::string::npos) return 3;
    sys::forget_environment();
    return std::getenv("PATH") == nullptr ? 0 : 4;
  });
  CHECK(exited_with(status, 0));
}

TEST_CASE("sys_process: descriptors of a service manager are those passed to this very process") {
  const int status = run_in_child([] {
    ::setenv("LISTEN_FDS", "2", 1);
    ::setenv("LISTEN_PID", "1", 1);
    if (!sys::passed_descriptors().empty()) return 1;
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    if (sys::passed_descriptors() != std::vector<int>{3, 4}) return 2;
    ::setenv("LISTEN_FDS", "-7", 1);
    return sys::passed_descriptors().empty() ? 0 : 3;
  });
  CHECK(exited_with(status, 0));
}

TEST_CASE("sys_process: a variable that is taken is there no more") {
  ::setenv("SLUICE_TEST_TAKEN", "value", 1);
  CHECK(sys::take_variable("SLUICE_TEST_TAKEN") == "value");
  CHECK(std::getenv("SLUICE_TEST_TAKEN") == nullptr);
  CHECK(sys::take_variable("SLUICE_TEST_TAKEN").empty());
}

TEST_CASE("sys_process: a variable is taken from a hidden environment, too, and no other one") {
  ::setenv("SLUICE_TEST_TAKEN", "value", 1);
  ::setenv("SLUICE_TEST_LEFT", "another", 1);
  const int status = testing::run_in_child([] {
    sys::hide_environment();
    const bool taken = sys::take_variable("SLUICE_TEST_TAKEN") == "value";
    const char* left = std::getenv("SLUICE_TEST_LEFT");
    return taken && std::getenv("SLUICE_TEST_TAKEN") == nullptr && left != nullptr &&
                   std::string(left) == "another"
               ? 0
               : 1;
  });
  ::unsetenv("SLUICE_TEST_TAKEN");
  ::unsetenv("SLUICE_TEST_LEFT");
  CHECK(sys::exit_status(status) == 0);
}

TEST_CASE("sys_process: a datagram goes to a socket's file") {
  const testing::TemporaryFolder folder;
  const std::string path = folder.file("notify");
  CHECK(sys::send_datagram(path, "lost") == -ENOENT);
  CHECK(sys::send_datagram("", "lost") == -EINVAL);
  CHECK(sys::send_datagram(std::string(200, 'x'), "lost") == -EINVAL);
  const testing::Descriptor receiver(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
  REQUIRE(sys::bind(receiver.get(), testing::unix_address(path)) == 0);
  CHECK(sys::send_datagram(path, "one") == 0);
  CHECK(sys::send_datagram(path, "") == 0);
  CHECK(testing::recv_text(receiver.get()) == "one");
  int answer = 0;
  for (int i = 0; i < 100'000 && answer == 0; ++i) answer = sys::send_datagram(path, "more");
  CHECK(answer == -EAGAIN);  // nobody reads, and nobody waits
}

TEST_CASE("sys_process: a folder is made once, for everybody to enter") {
  const testing::TemporaryFolder folder;
  const std::string path = folder.file("made/");
  const mode_t before = ::umask(0077);
  CHECK(sys::make_folder(path.c_str()) == 0);
  ::umask(before);
  struct stat made {};
  REQUIRE(::stat(path.c_str(), &made) == 0);
  CHECK((made.st_mode & 07777) == 0755);
  CHECK(sys::make_folder(path.c_str()) == -EEXIST);
  CHECK(sys::make_folder(folder.file("a/b").c_str()) == -ENOENT);
}

TEST_CASE("sys_process: descriptors that are held are counted") {
  const uint64_t before = sys::held_descriptors();
  const Pipe pipe;
  CHECK(sys::held_descriptors() == before + 2);
}

// --- files --------------------------------------------------------------------------------------

TEST_CASE("sys_process: a log is appended to, by whoever has it open") {
  const testing::TemporaryFolder folder;
  const std::string path = folder.file("log");
  const Descriptor one(sys::open_for_append(path.c_str()));
  const Descriptor two(sys::open_for_append(path.c_str()));
  CHECK(sys::write(one.get(), "a", 1) == 1);
  CHECK(sys::write(two.get(), "b", 1) == 1);
  CHECK(sys::write(one.get(), "c", 1) == 1);
  CHECK(content_of(path) == "abc");
  CHECK((::fcntl(one.get(), F_GETFD) & FD_CLOEXEC) != 0);
  CHECK(sys::open_for_append("/nowhere/log") == -ENOENT);
}

TEST_CASE("sys_process: root follows a link only where nobody else can have made it") {
  const testing::TemporaryFolder folder;
  const std::string target = folder.file("target");
  REQUIRE(sys::write_whole_file(target.c_str(), "content") == 0);
  const std::string link = folder.file("link");
  const std::string chain = folder.file("chain");
  REQUIRE(::symlink("target", link.c_str()) == 0);
  REQUIRE(::symlink("link", chain.c_str()) == 0);
  for (const std::string& path : {link, chain}) {
    const Descriptor followed(sys::open_for_append(path.c_str()));
  }
  if (!sys::is_root()) return;
  REQUIRE(::lchown(link.c_str(), 1, 1) == 0);
  for (const std::string& path : {link, chain}) {
    CHECK(sys::open_for_append(path.c_str()) == -ELOOP);
    CHECK(sys::write_whole_file(path.c_str(), "lost") == -ELOOP);
  }
  REQUIRE(::lchown(link.c_str(), 0, 0) == 0);
  const Descriptor again(sys::open_for_append(link.c_str()));
  for (const mode_t mode : {0770u, 0702u}) {
    REQUIRE(::chmod(folder.file("").c_str(), mode) == 0);
    CHECK(sys::open_for_append(link.c_str()) == -ELOOP);
  }
  REQUIRE(::chmod(folder.file("").c_str(), 01777) == 0);  // as /tmp
  const Descriptor guarded(sys::open_for_append(link.c_str()));
  REQUIRE(::chown(folder.file("").c_str(), 1, 1) == 0);
  CHECK(sys::open_for_append(link.c_str()) == -ELOOP);
  CHECK(content_of(target) == "content");
}

TEST_CASE("sys process: a whole file is read up to a size, in pieces") {
  const std::string path = "/tmp/sluice-read-" + std::to_string(sys::process_id());
  REQUIRE(sys::write_whole_file(path.c_str(), std::string(40'000, 'x')) == 0);
  std::string content = "what was there before";
  CHECK(sys::read_whole_file(path.c_str(), 40'000, content) == 0);
  CHECK(content == std::string(40'000, 'x'));
  CHECK(sys::read_whole_file(path.c_str(), 39'999, content) == -EFBIG);
  CHECK(sys::read_whole_file("/nowhere/file", 10, content) == -ENOENT);
  CHECK(sys::read_whole_file("/tmp", 10, content) == -EISDIR);
  char block[7] = "";
  size_t taken = 0;
  CHECK(sys::read_pieces(path.c_str(), block, [&](std::string_view piece) {
          CHECK(piece.data() == block);
          taken += piece.size();
          return taken < 14;
        }) == -EFBIG);
  CHECK(taken == 14);  // nothing is read behind the piece that was refused
  CHECK(sys::remove_file(path.c_str()) == 0);
}

TEST_CASE("sys_process: an open file is read from its beginning, and tells when it changes") {
  const testing::TemporaryFolder folder;
  const std::string path = folder.file("file");
  REQUIRE(sys::write_whole_file(path.c_str(), std::string(5'000, 'a') + "b") == 0);
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string content = "old";
  for (int i = 0; i < 2; ++i) {
    CHECK(sys::read_whole_file(file.get(), 5'001, content) == 0);
    CHECK(content == std::string(5'000, 'a') + "b");
  }
  CHECK(sys::read_whole_file(file.get(), 5'000, content) == -EFBIG);
  CHECK(content == std::string(5'000, 'a'));
  CHECK(sys::read_whole_file(-1, 10, content) == -EBADF);
  CHECK(content.empty());
  const sys::FileState before = sys::file_state(file.get());
  CHECK(before == sys::file_state(path.c_str()));
  REQUIRE(sys::write_whole_file(path.c_str(), "c") == 0);
  CHECK_FALSE(sys::file_state(file.get()) == before);
  CHECK(sys::file_state(-1) == sys::FileState());
}

TEST_CASE("sys_process: a whole file replaces what was there") {
  const testing::TemporaryFolder folder;
  const std::string path = folder.file("pid");
  CHECK(sys::write_whole_file(path.c_str(), "longer content") == 0);
  CHECK(sys::write_whole_file(path.c_str(), "short") == 0);
  CHECK(content_of(path) == "short");
  CHECK(sys::remove_file(path.c_str()) == 0);
  CHECK(sys::remove_file(path.c_str()) == -ENOENT);
  CHECK(sys::write_whole_file("/nowhere/pid", "x") == -ENOENT);
}

TEST_CASE("sys_process: a full pipe is not writable, a drained one is") {
  const Pipe pipe;
  REQUIRE(::fcntl(pipe.write.get(), F_SETFL, O_NONBLOCK) == 0);
  CHECK(sys::writable_now(pipe.write.get()));
  const std::string block(sys::pipe_atomic_bytes, 'p');
  size_t written = 0;
  while (sys::write(pipe.write.get(), block.data(), block.size()) > 0) written += block.size();
  CHECK(written > 0);
  CHECK(sys::write(pipe.write.get(), block.data(), block.size()) == -EAGAIN);
  CHECK_FALSE(sys::writable_now(pipe.write.get()));
  std::string drained(written, '.');
  CHECK(sys::read(pipe.read.get(), drained.data(), written) == static_cast<ssize_t>(written));
  CHECK(sys::writable_now(pipe.write.get()));
}

TEST_CASE("sys_process: a pipe as standard stream is non-blocking for us alone") {
  const Pipe pipe;
  const sys::LogDescriptor opened = sys::open_standard_stream(pipe.write.get());
  const Descriptor log(opened.fd);
  CHECK_FALSE(opened.may_block);
  CHECK((::fcntl(log.get(), F_GETFL) & O_NONBLOCK) != 0);
  CHECK((::fcntl(pipe.write.get(), F_GETFL) & O_NONBLOCK) == 0);
  CHECK(sys::write(log.get(), "line", 4) == 4);
  char buffer[10];
  CHECK(sys::read(pipe.read.get(), buffer, sizeof buffer) == 4);
}

TEST_CASE("sys_process: a file as standard stream keeps its offset, a socket may block") {
  const testing::TemporaryFolder folder;
  const std::string path = folder.file("out");
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  REQUIRE(sys::write(file.get(), "one ", 4) == 4);
  const sys::LogDescriptor opened = sys::open_standard_stream(file.get());
  const Descriptor log(opened.fd);
  CHECK_FALSE(opened.may_block);
  CHECK(sys::write(log.get(), "two", 3) == 3);
  CHECK(content_of(path) == "one two");

  const testing::Pair pair = testing::unix_pair();
  const sys::LogDescriptor shared = sys::open_standard_stream(pair.near.get());
  const Descriptor holder(shared.fd);
  CHECK(shared.may_block);
  CHECK(sys::open_standard_stream(-1).fd == -1);
}

}  // namespace
}  // namespace sluice
