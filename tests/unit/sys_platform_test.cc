// sys of the platform: quotas as cgroups write them, descriptors that are closed, listeners that
// somebody shut down, and what a process gives up.
#include "net/sys_platform.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "net/listener.h"
#include "net/sys.h"
#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using testing::Descriptor;
using testing::run_in_child;

// /proc and /sys as a test wants them.
struct Machine {
  void write(const std::string& name, const std::string& content) {
    const std::filesystem::path path = folder.file(name);
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << content;
  }
  void cgroups(const std::string& content) { write("proc/self/cgroup", content); }
  double quota() const { return sys::processor_quota(folder.file(".")); }

  testing::TemporaryFolder folder;
};

TEST_CASE("sys_platform: processors are those that this process may use") {
  const uint32_t count = sys::processor_count();
  CHECK(count >= 1);
  CHECK(count <= static_cast<uint32_t>(::sysconf(_SC_NPROCESSORS_CONF)));
}

TEST_CASE("sys_platform: a quota of version 2, of the group or of one above it") {
  Machine machine;
  CHECK(machine.quota() == 0);
  machine.cgroups("0::/a.slice/b.service\n");
  CHECK(machine.quota() == 0);
  machine.write("sys/fs/cgroup/a.slice/b.service/cpu.max", "max 100000\n");
  CHECK(machine.quota() == 0);
  machine.write("sys/fs/cgroup/a.slice/cpu.max", "350000 100000\n");
  CHECK(machine.quota() == 3.5);
  machine.write("sys/fs/cgroup/a.slice/b.service/cpu.max", "150000 100000\n");
  CHECK(machine.quota() == 1.5);
  machine.write("sys/fs/cgroup/cpu.max", "20000 100000\n");  // a container's own root
  CHECK(machine.quota() == 0.2);
}

TEST_CASE("sys_platform: a quota of version 1, also where the path is the host's") {
  Machine machine;
  machine.cgroups("12:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n1:name=systemd:/docker/1\n0::/\n");
  machine.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  machine.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  CHECK(machine.quota() == 0);
  machine.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000\n");
  CHECK(machine.quota() == 2.5);
  machine.write("sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_period_us", "50000\n");
  machine.write("sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_quota_us", "50000\n");
  CHECK(machine.quota() == 1);
}

TEST_CASE("sys_platform: nonsense in place of a quota is none") {
  Machine machine;
  for (const char* content : {"", "\n", "0 0\n", "-5 100000\n", "100000\n", "x y\n"}) {
    CAPTURE(content);
    machine.cgroups("0::/\nnonsense\n:\n0:\n");
    machine.write("sys/fs/cgroup/cpu.max", content);
    CHECK(machine.quota() == 0);
  }
}

TEST_CASE("sys_platform: a cgroup's limit of memory, of the group or of one above it") {
  Machine machine;
  const auto limit = [&] { return sys::memory_limit(machine.folder.file(".")); };
  CHECK(limit() == 0);
  machine.cgroups("0::/a.slice/b.service\n");
  machine.write("sys/fs/cgroup/a.slice/b.service/memory.max", "max\n");
  CHECK(limit() == 0);
  machine.write("sys/fs/cgroup/a.slice/memory.max", "536870912\n");
  CHECK(limit() == 536'870'912);
  machine.write("sys/fs/cgroup/a.slice/b.service/memory.max", "1073741824\n");
  CHECK(limit() == 536'870'912);
  machine.cgroups("5:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n0::/\n");
  machine.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  CHECK(limit() >= uint64_t{1} << 60);  // none, as version 1 writes it: the machine has less
  machine.write("sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes", "268435456\n");
  CHECK(limit() == 268'435'456);
}

TEST_CASE("sys_platform: inherited descriptors are closed but for those that are spared") {
  const int status = run_in_child([] {
    for (const int fd : {5, 6, 9, 40, 700}) {
      if (::dup2(1, fd) != fd) return 1;
    }
    const std::vector<int> spared = {40, 6, 6, 2};
    sys::close_descriptors(3, spared);
    for (int fd = 0; fd < 1000; ++fd) {
      const bool open = ::fcntl(fd, F_GETFD) >= 0;
      if (open && fd > 2 && fd != 6 && fd != 40) return 2;
      if (!open && (fd == 1 || fd == 6 || fd == 40)) return 3;
    }
    return 0;
  });
  CHECK(sys::describe_exit(status) == "exited with status 0");
}

TEST_CASE("sys_platform: a listener that somebody shut down listens no more") {
  const testing::TemporaryFolder folder;
  for (const Address& address :
       {testing::loopback(), testing::unix_address(folder.file("x.sock"))}) {
    CAPTURE(address.text());
    const Descriptor listener(open_listener(address, false).value());
    CHECK(sys::still_listens(listener.get()));
    const Descriptor client = testing::client_of(listener.get());
    CHECK(sys::still_listens(listener.get()));  // with somebody in its queue
    const Descriptor copy(::dup(listener.get()));
    REQUIRE(::shutdown(copy.get(), SHUT_RD) == 0);
    CHECK_FALSE(sys::still_listens(listener.get()));
  }
  CHECK_FALSE(sys::still_listens(-1));
}

TEST_CASE("sys_platform: a port may be left to connect()") {
  const testing::Descriptor fd(sys::stream_socket(AF_INET));
  CHECK(sys::set_bind_address_no_port(fd.get()) == 0);
  CHECK(sys::bind(fd.get(), Address::parse("127.0.0.2:0").value()) == 0);
  CHECK(sys::local_address(fd.get()).text() == "127.0.0.2:0");
  CHECK(sys::set_bind_address_no_port(-1) == -EBADF);
}

TEST_CASE("sys_platform: the user at the other end of a unix socket is known") {
  const testing::Pair pair = testing::unix_pair();
  uid_t user = static_cast<uid_t>(-1);
  CHECK(sys::peer_user(pair.near.get(), user) == 0);
  CHECK(user == sys::user_id());
  CHECK(sys::peer_user(-1, user) == -EBADF);
}

TEST_CASE("sys_platform: what a process gave up does not come back") {
  const int status = run_in_child([] {
    if (sys::forbid_new_privileges() != 0 || sys::forbid_children() != 0) return 1;
    if (sys::forbid_dumps() != 0) return 2;
    rlimit limit{};
    if (::getrlimit(RLIMIT_NPROC, &limit) != 0 || limit.rlim_max != 0) return 3;
    if (::getrlimit(RLIMIT_CORE, &limit) != 0 || limit.rlim_max != 0) return 4;
    std::ifstream file("/proc/self/status");
    for (std::string line; std::getline(file, line);) {
      if (line == "NoNewPrivs:\t1") return 0;
    }
    return 5;
  });
  CHECK(sys::describe_exit(status) == "exited with status 0");
}

}  // namespace
}  // namespace sluice
