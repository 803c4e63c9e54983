// sys_sandbox: what a filtered process can no longer do, that it is noted, and what it still can.
// Each child's exit status is the number of the first thing that was not as it should be.
#include "net/sys_sandbox.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "net/check.h"
#include "net/sys.h"
#include "net/sys_platform.h"
#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using testing::run_in_child;
using testing::TemporaryFolder;

// Not in builds with sanitizers, nor where kernel or build have no filter.
bool filter_is_there() {
  if (sys::can_filter_calls()) return true;
  MESSAGE("no filter in this build or kernel: " << sys::call_filter_text());
  return false;
}

bool filtered(sys::Confined whom = sys::Confined::worker) {
  return sys::forbid_new_privileges() == 0 && sys::filter_calls(whom) == 0;
}

bool refused(long answer) {
  return answer == -1 && errno == EPERM;
}

std::vector<std::string> told_calls() {
  std::vector<std::string> names;
  for (int call = sys::next_refused_call(); call >= 0; call = sys::next_refused_call()) {
    names.push_back(sys::call_name(call));
  }
  return names;
}

TEST_CASE("sys_sandbox: the build says with what it filters, or that it does not") {
  const std::string text = sys::call_filter_text();
  CHECK((text.starts_with("libseccomp 2.") || text.starts_with("without libseccomp: ")));
  if (text.starts_with("without")) {
    CHECK_FALSE(sys::can_filter_calls());
    CHECK(run_in_child(
              [] { return sys::filter_calls(sys::Confined::worker) == -ENOSYS ? 0 : 1; }) == 0);
  }
}

TEST_CASE("sys_sandbox: files, programs, processes and foreign sockets are refused") {
  if (!filter_is_there()) return;
  const int status = run_in_child([] {
    char* const words[] = {nullptr};
    if (!filtered()) return 1;
    if (!refused(::open("/dev/null", O_RDONLY))) return 2;
    if (!refused(::syscall(SYS_openat2, AT_FDCWD, "/", nullptr, 0))) return 3;
    if (!refused(::execve("/bin/true", words, words))) return 4;
    if (!refused(::fork())) return 5;
    if (!refused(::syscall(SYS_clone3, nullptr, 0))) return 6;
    if (!refused(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr))) return 7;
    if (!refused(::syscall(SYS_process_vm_readv, ::getppid(), nullptr, 0, nullptr, 0, 0))) return 8;
    if (!refused(::kill(::getppid(), 0))) return 9;
    if (!refused(::socket(AF_NETLINK, SOCK_RAW, 0))) return 10;
    if (!refused(::socket(AF_PACKET, SOCK_RAW, 0))) return 11;
    if (!refused(::socket(AF_INET, SOCK_DGRAM, 0))) return 12;
    if (!refused(::socket(AF_INET, SOCK_RAW, IPPROTO_ICMP))) return 13;
    if (!refused(::socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP))) return 14;
    if (!refused(::listen(0, 1))) return 18;
    if (!refused(::syscall(SYS_io_uring_setup, 1, nullptr))) return 15;
    if (!refused(::syscall(SYS_bpf, 0, nullptr, 0))) return 16;
    struct stat what {};
    if (!refused(::stat("/", &what))) return 17;
    return 0;
  });
  CHECK(sys::describe_exit(status) == "exited with status 0");
}

TEST_CASE("sys_sandbox: memory that could be run is refused, other memory is not") {
  if (!filter_is_there()) return;
  const int status = run_in_child([] {
    if (!filtered()) return 1;
    constexpr int kind = MAP_PRIVATE | MAP_ANONYMOUS;
    void* const plain = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, kind, -1, 0);
    if (plain == MAP_FAILED) return 2;
    if (!refused(::mprotect(plain, 4096, PROT_READ | PROT_EXEC))) return 3;
    if (::mprotect(plain, 4096, PROT_READ) != 0) return 4;
    if (::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, kind, -1, 0) != MAP_FAILED) return 5;
    return errno == EPERM && ::munmap(plain, 4096) == 0 ? 0 : 6;
  });
  CHECK(sys::describe_exit(status) == "exited with status 0");
}

TEST_CASE("sys_sandbox: each refused call is noted once, but those that start a process") {
  if (!filter_is_there()) return;
  const int status = run_in_child([] {
    if (!filtered() || !told_calls().empty()) return 1;
    for (int i = 0; i < 3; ++i) {
      if (!refused(::socket(AF_INET, SOCK_DGRAM, 0)) || !refused(::fork())) return 2;
      if (!refused(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr))) return 3;
    }
    if (told_calls() != std::vector<std::string>{"socket", "ptrace"}) return 4;
    if (!refused(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr)) || !told_calls().empty()) return 5;
    // Numbers that no kernel knows are refused like others.
    for (long call = 900; call < 1'000; ++call) {
      if (!refused(::syscall(call))) return 6;
    }
    if (told_calls().size() != 30) return 7;
    // Who sends SIGSYS by itself says nothing of a call.
    return ::raise(SIGSYS) == 0 && told_calls().empty() ? 0 : 8;
  });
  CHECK(sys::describe_exit(status) == "exited with status 0");
}

// The data path in one thread: what a worker does all day.
int serve_pair(int listener, int upstream) {
  const int queue = ::epoll_create1(0);
  if (queue < 0 || !filtered()) return 1;
  const int near = sys::stream_socket(AF_INET);
  Address peer;
  if (sys::connect(near, sys::local_address(listener)) != -EINPROGRESS) return 2;
  sys::wait_readable(listener, testing::patience_ms);
  const int far = sys::accept(listener, peer);
  if (far < 0 || sys::take_socket_error(near) != 0) return 3;
  if (sys::set_no_delay(far) != 0 || sys::set_keep_alive(far, 60) < 0) return 4;
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {}};
  if (::epoll_ctl(queue, EPOLL_CTL_ADD, far, &event) != 0) return 5;
  if (sys::send(near, "abcd", 4) != 4 || ::epoll_wait(queue, &event, 1, -1) != 1) return 6;
  int pipe[2];
  if (sys::pipe(pipe, 65'536) != 0 || sys::splice(far, pipe[1], 2) != 2) return 7;
  char bytes[8];
  if (sys::recv(far, bytes, sizeof bytes) != 2 || sys::read(pipe[0], bytes, 8) != 2) return 8;
  if (sys::unread_bytes(far) != 0 || sys::undelivered_bytes(far) != 0) return 9;
  sockaddr_un name{.sun_family = AF_UNIX, .sun_path = {}};
  socklen_t length = sizeof name;
  if (::getsockname(upstream, reinterpret_cast<sockaddr*>(&name), &length) != 0) return 10;
  const int unix_socket = sys::stream_socket(AF_UNIX);
  if (::connect(unix_socket, reinterpret_cast<sockaddr*>(&name), length) != 0) return 11;
  if (sys::set_abort_on_close(far) != 0 || sys::close(far) != 0) return 12;
  return told_calls().empty() ? 0 : 13;
}

TEST_CASE(
    "sys_sandbox: sockets, pipes and unix upstreams work on, also where files are forbidden") {
  if (!filter_is_there()) return;
  const TemporaryFolder folder;
  const testing::Descriptor listener = testing::listening_socket(testing::loopback());
  const testing::Descriptor upstream =
      testing::listening_socket(testing::unix_address(folder.file("up.sock")));
  for (const bool files : {true, false}) {
    CAPTURE(files);
    const int status = run_in_child([&] {
      if (sys::forbid_new_privileges() != 0) return 101;
      if (!files && sys::can_forbid_files() && sys::forbid_files() != 0) return 102;
      return serve_pair(listener.get(), upstream.get());
    });
    CHECK(sys::describe_exit(status) == "exited with status 0");
  }
}

TEST_CASE("sys_sandbox: memory, descriptors that were sent, clocks and randomness work on") {
  if (!filter_is_there()) return;
  const int status = run_in_child([] {
    int ends[2];
    const int memory = ::memfd_create("conf", MFD_ALLOW_SEALING);
    if (memory < 0 || ::write(memory, "conf", 4) != 4 || sys::pair(ends) != 0) return 1;
    if (sys::send_with_descriptors(ends[0], std::array<uint8_t, 1>{7}, {{memory}}) != 1) return 2;
    if (!filtered()) return 3;
    std::array<uint8_t, 1> byte{};
    int got = -1;
    size_t count = 0;
    if (sys::recv_with_descriptors(ends[1], byte, &got, 1, count) != 1 || count != 1) return 4;
    struct stat what {};
    if (::fstat(got, &what) != 0 || what.st_size != 4) return 5;
    const void* const text = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, got, 0);
    if (text == MAP_FAILED || std::memcmp(text, "conf", 4) != 0) return 6;
    std::vector<char> large(64 << 20, 'x');
    large.resize(128 << 20);
    large.clear();
    large.shrink_to_fit();
    uint64_t random = 0;
    sys::random_bytes(&random, sizeof random);
    if (sys::monotonic_ns() == 0 || sys::wall_clock_ms() == 0) return 7;
    return told_calls().empty() ? 0 : 8;
  });
  CHECK(sys::describe_exit(status) == "exited with status 0");
}

// Sends a datagram to a socket that is there before the filter, and gets it.
int keeper_datagrams(int there) {
  if (!filtered(sys::Confined::keeper)) return 1;
  for (const int family : {AF_UNIX, AF_NETLINK, AF_PACKET}) {
    if (!refused(::socket(family, SOCK_DGRAM, 0))) return 2;
  }
  if (!refused(::socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP))) return 3;
  if (!refused(::socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)) || !refused(::listen(0, 1))) return 4;
  if (told_calls() != std::vector<std::string>{"socket", "listen"}) return 5;
  const int six = sys::datagram_socket(AF_INET6);
  if (six < 0 && six != -EAFNOSUPPORT) return 6;
  const int here = sys::datagram_socket(AF_INET);
  if (here < 0 || sys::connect(here, sys::local_address(there)) != 0) return 7;
  if (sys::send(here, "abc", 3) != 3) return 8;
  sys::wait_readable(there, testing::patience_ms);
  char bytes[8];
  Address from;
  if (sys::recv_from(there, bytes, sizeof bytes, from) != 3) return 9;
  if (!(from == sys::local_address(here))) return 10;
  return told_calls().empty() ? 0 : 11;
}

TEST_CASE("sys_sandbox: the keeper alone has datagrams, of IPv4 and IPv6") {
  if (!filter_is_there()) return;
  const testing::Descriptor there(sys::datagram_socket(AF_INET));
  REQUIRE(sys::bind(there.get(), testing::loopback()) == 0);
  const int status = run_in_child([&] { return keeper_datagrams(there.get()); });
  CHECK(sys::describe_exit(status) == "exited with status 0");
}

TEST_CASE("sys_sandbox: a process that aborts ends by SIGABRT") {
  if (!filter_is_there()) return;
  const int status = run_in_child([]() -> int {
    if (!filtered()) return 1;
    std::abort();
  });
  CHECK(sys::describe_exit(status).starts_with("was killed by signal 6"));
}

}  // namespace
}  // namespace sluice
