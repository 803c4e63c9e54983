// ListenerSet: all or nothing, only its own files are removed, and what was shut down is opened
// anew.
#include "core/process/listeners.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/conf/conf_ids.h"
#include "net/connector.h"
#include "net/listener.h"
#include "net/sys.h"
#include "net/sys_platform.h"
#include "tests/unit/process_testing.h"

namespace sluice {
namespace {

using testing::Descriptor;

struct Conf {
  explicit Conf(const std::vector<Address>& addresses) {
    for (const Address& address : addresses) {
      ListenConfig listener;
      listener.id = ids.listener(address);
      listener.address = address;
      config.listeners.push_back(std::move(listener));
    }
  }
  static inline ConfIds ids;  // of all confs here
  Config config;
};

// Opens all listeners of a conf, and begins to use them.
std::vector<std::string> open_all(ListenerSet& set, const Config& config, uint32_t workers) {
  std::vector<std::string> complaints = set.open(config, workers);
  if (complaints.empty()) set.adopt(config, workers);
  return complaints;
}

std::vector<uint32_t> numbers(const std::vector<WorkerSocket>& sockets) {
  std::vector<uint32_t> all;
  for (const WorkerSocket& each : sockets) all.push_back(each.number);
  return all;
}

Address free_address() {
  return sys::local_address(testing::bound_socket(testing::loopback()).get());
}

TEST_CASE("listeners: one descriptor a worker for ports, one for all for socket files") {
  const testing::TemporaryFolder folder;
  const Conf conf({free_address(), testing::unix_address(folder.file("x.sock"))});
  ListenerSet set;
  REQUIRE(open_all(set, conf.config, 3).empty());
  const uint64_t held = sys::held_descriptors();
  const std::vector<WorkerSocket> taken = set.take(1);  // as a worker would
  REQUIRE(taken.size() == 2);
  CHECK(held - sys::held_descriptors() == 2);  // those of the two others
  for (const WorkerSocket& each : taken) {
    CHECK(sys::still_listens(each.fd));
    sys::close(each.fd);
  }
  CHECK(std::filesystem::exists(folder.file("x.sock")));  // a worker removes nothing
}

TEST_CASE("listeners: a child without listeners leaves them to its parent") {
  const testing::TemporaryFolder folder;
  const Address file = testing::unix_address(folder.file("x.sock"));
  const Conf conf({file, free_address()});
  ListenerSet set;
  REQUIRE(set.open(conf.config, 2).empty());
  set.adopt(conf.config, 2);
  const int status = testing::run_in_child([&] {
    const uint64_t held = sys::held_descriptors();
    set.leave_to_parent();
    return static_cast<int>(held - sys::held_descriptors());
  });
  CHECK(sys::exit_status(status) == 3);
  CHECK(start_connect(file).ok());
  CHECK(std::filesystem::exists(folder.file("x.sock")));
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
  REQUIRE(open_all(set, conf.config, 1).empty());
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
  REQUIRE(open_all(set, conf.config, 2).empty());
  CHECK(set.mend(0).empty());
  const int status = testing::run_in_child([&set] {
    for (const WorkerSocket& each : set.take(0)) ::shutdown(each.fd, SHUT_RDWR);
    return 0;
  });
  CHECK(sys::exit_status(status) == 0);
  CHECK_FALSE(start_connect(file).ok());
  CHECK(set.mend(0).empty());
  CHECK(set.mend(1).empty());
  CHECK(start_connect(file).ok());
  for (const WorkerSocket& each : set.take(0)) {
    CHECK(sys::still_listens(each.fd));
    sys::close(each.fd);
  }
}

TEST_CASE("listeners: a new conf opens what is new, keeps what stays and closes what goes") {
  const testing::TemporaryFolder folder;
  const Address stays = free_address();
  const Address goes = free_address();
  const Address comes = free_address();
  const Address file = testing::unix_address(folder.file("x.sock"));
  const Conf before({stays, goes, file});
  const Conf after({comes, stays});
  ListenerSet set;
  REQUIRE(open_all(set, before.config, 2).empty());
  const int kept = set.of_worker(1).front().fd;
  REQUIRE(set.open(after.config, 2).empty());
  CHECK(start_connect(goes).ok());  // until the conf is used
  CHECK(set.adopt(after.config, 2).empty());
  CHECK_FALSE(testing::takes_connections(goes));
  CHECK(testing::takes_connections(comes));
  CHECK_FALSE(std::filesystem::exists(folder.file("x.sock")));
  const std::vector<WorkerSocket> sockets = set.of_worker(1);
  REQUIRE(sockets.size() == 2);
  CHECK(sockets[0].fd == kept);
  CHECK(sockets[0].listener == Conf::ids.listener(stays));
}

TEST_CASE("listeners: a conf that fails leaves what was there") {
  const Address ours = free_address();
  const Descriptor other = testing::listening_socket(testing::loopback());
  const Address comes = free_address();
  const Conf before({ours});
  const Conf after({ours, comes, sys::local_address(other.get())});
  ListenerSet set;
  REQUIRE(open_all(set, before.config, 2).empty());
  const uint64_t held = sys::held_descriptors();
  CHECK(set.open(after.config, 4).size() == 1);
  CHECK(sys::held_descriptors() == held);
  CHECK(numbers(set.of_worker(1)) == std::vector<uint32_t>{1});
  CHECK_FALSE(testing::takes_connections(comes));
  CHECK(testing::takes_connections(ours));
}

TEST_CASE("listeners: the sockets of workers that leave are shared out, and none is closed") {
  const Address port = free_address();
  const Conf conf({port});
  ListenerSet set;
  REQUIRE(open_all(set, conf.config, 4).empty());
  const uint64_t held = sys::held_descriptors();
  REQUIRE(open_all(set, conf.config, 1).empty());
  CHECK(sys::held_descriptors() == held);
  CHECK(numbers(set.of_worker(0)) == std::vector<uint32_t>{0, 1, 2, 3});
  CHECK(set.of_worker(1).empty());
  REQUIRE(open_all(set, conf.config, 3).empty());
  CHECK(numbers(set.of_worker(0)) == std::vector<uint32_t>{0, 3});
  CHECK(numbers(set.of_worker(1)) == std::vector<uint32_t>{1});
  REQUIRE(open_all(set, conf.config, 5).empty());
  CHECK(sys::held_descriptors() == held + 1);
}

TEST_CASE("listeners: all addresses of a port take the place of one of them") {
  const Address one = free_address();
  const Conf before({one});
  const Conf after({Address::from_ip("0.0.0.0", one.port()).value()});
  ListenerSet set;
  REQUIRE(open_all(set, before.config, 2).empty());
  CHECK(open_all(set, after.config, 2).empty());
  CHECK(testing::takes_connections(one));
}

TEST_CASE("listeners: access to a socket file that stays follows the conf") {
  const testing::TemporaryFolder folder;
  Conf conf({testing::unix_address(folder.file("x.sock"))});
  ListenerSet set;
  REQUIRE(open_all(set, conf.config, 1).empty());
  conf.config.listeners[0].socket_file.mode = 0600;
  REQUIRE(open_all(set, conf.config, 1).empty());
  CHECK(std::filesystem::status(folder.file("x.sock")).permissions() ==
        (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
}

}  // namespace
}  // namespace sluice
