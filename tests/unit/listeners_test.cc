// ListenerSet: all or nothing, only its own files are removed, and what was shut down is opened
// anew.
#include "core/process/listeners.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "net/connector.h"
#include "net/listener.h"
#include "net/sys.h"
#include "net/sys_platform.h"
#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using testing::Descriptor;

struct Conf {
  explicit Conf(const std::vector<Address>& addresses) {
    for (const Address& address : addresses) {
      ListenConfig listener;
      listener.address = address;
      config.listeners.push_back(std::move(listener));
    }
  }
  Config config;
};

Address free_address() {
  return sys::local_address(testing::bound_socket(testing::loopback()).get());
}

TEST_CASE("listeners: one descriptor a worker for ports, one for all for socket files") {
  const testing::TemporaryFolder folder;
  const Conf conf({free_address(), testing::unix_address(folder.file("x.sock"))});
  ListenerSet set;
  REQUIRE(set.open(conf.config, 3).empty());
  const uint64_t held = sys::held_descriptors();
  const std::vector<int> taken = set.take(1);  // as a worker would
  REQUIRE(taken.size() == 2);
  CHECK(held - sys::held_descriptors() == 2);  // those of the two others
  for (const int fd : taken) {
    CHECK(sys::still_listens(fd));
    sys::close(fd);
  }
  CHECK(std::filesystem::exists(folder.file("x.sock")));  // a worker removes nothing
}

TEST_CASE("listeners: where one address fails nothing stays, and nothing of others is removed") {
  const testing::TemporaryFolder folder;
  const Address others = testing::unix_address(folder.file("others.sock"));
  const Address ours = testing::unix_address(folder.file("ours.sock"));
  const Descriptor other = testing::listening_socket(others);
  const Conf conf({ours, others, free_address()});
  ListenerSet set;
  const std::vector<std::string> complaints = set.open(conf.config, 2);
  REQUIRE(complaints.size() == 1);
  CHECK(complaints[0].starts_with("listen " + others.text() + ": bind: Address already in use ("));
  CHECK(complaints[0].ends_with(", pid " + std::to_string(sys::process_id()) + ")"));
  CHECK_FALSE(std::filesystem::exists(folder.file("ours.sock")));
  CHECK(start_connect(others).ok());
}

TEST_CASE("listeners: a socket file that took the name of ours is not removed") {
  const testing::TemporaryFolder folder;
  const Address address = testing::unix_address(folder.file("x.sock"));
  const Conf conf({address});
  ListenerSet set;
  REQUIRE(set.open(conf.config, 1).empty());
  std::filesystem::rename(folder.file("x.sock"), folder.file("moved"));
  const Descriptor newer = testing::listening_socket(address);
  set.close();
  CHECK(start_connect(address).ok());
}

TEST_CASE("listeners: what a worker shut down is opened anew, for it alone where it is its own") {
  const testing::TemporaryFolder folder;
  const Address port = free_address();
  const Address file = testing::unix_address(folder.file("x.sock"));
  const Conf conf({port, file});
  ListenerSet set;
  REQUIRE(set.open(conf.config, 2).empty());
  CHECK(set.mend(0).empty());
  const int status = testing::run_in_child([&set] {
    for (const int fd : set.take(0)) ::shutdown(fd, SHUT_RDWR);
    return 0;
  });
  CHECK(sys::exit_status(status) == 0);
  CHECK_FALSE(start_connect(file).ok());
  CHECK(set.mend(0).empty());
  CHECK(set.mend(1).empty());
  CHECK(start_connect(file).ok());
  for (const int fd : set.take(0)) {
    CHECK(sys::still_listens(fd));
    sys::close(fd);
  }
}

}  // namespace
}  // namespace sluice
