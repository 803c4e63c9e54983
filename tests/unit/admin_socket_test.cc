// AdminSocket: what a reload opens, hands over and closes.
#include "core/process/admin_socket.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "net/sys_platform.h"
#include "net/sys_process.h"
#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using testing::Descriptor;

AdminConfig at(const Address& address) {
  return {.address = address, .file = {.mode = 0600}};
}

Address free_address() {
  return sys::local_address(testing::bound_socket(testing::loopback()).get());
}

// The descriptors that were handed over.
class Handed {
 public:
  std::vector<int> fds;
  void adopt(AdminSocket& socket, const std::optional<AdminConfig>& config) {
    socket.adopt(config, [&](int fd) {
      CHECK((fd < 0 || sys::still_listens(fd)));
      fds.push_back(fd);
    });
  }
};

TEST_CASE("admin socket: it opens what a conf says, and stays where the next one says the same") {
  AdminSocket socket;
  Handed handed;
  handed.adopt(socket, std::nullopt);
  CHECK(handed.fds.empty());
  const AdminConfig first = at(free_address());
  REQUIRE(socket.open(first) == "");
  handed.adopt(socket, first);
  REQUIRE(handed.fds.size() == 1);
  CHECK(handed.fds[0] == socket.fd());
  REQUIRE(socket.open(first) == "");
  handed.adopt(socket, first);
  CHECK(handed.fds.size() == 1);
  const AdminConfig second = at(free_address());
  REQUIRE(socket.open(second) == "");
  socket.roll_back();
  CHECK(testing::bound_socket(second.address).get() >= 0);  // it is free again
  REQUIRE(socket.open(second) == "");
  handed.adopt(socket, second);
  REQUIRE(handed.fds.size() == 2);
  CHECK(sys::local_address(socket.fd()) == second.address);
  handed.adopt(socket, std::nullopt);
  REQUIRE(handed.fds.size() == 3);
  CHECK(handed.fds[2] == -1);
  CHECK(socket.fd() == -1);
}

TEST_CASE("admin socket: an address that is taken is told with what to do, and nothing changes") {
  const Descriptor taken = testing::listening_socket(testing::loopback());
  AdminSocket socket;
  const std::string wrong = socket.open(at(sys::local_address(taken.get())));
  CHECK(wrong.starts_with("admin 127.0.0.1:"));
  CHECK(wrong.find("listens there already; give each sluice an admin address of its own") !=
        std::string::npos);
  Handed handed;
  handed.adopt(socket, std::nullopt);
  CHECK(handed.fds.empty());
}

TEST_CASE("admin socket: an address that overlaps its own waits for a reload between") {
  AdminSocket socket;
  Handed handed;
  const AdminConfig narrow = at(free_address());
  REQUIRE(socket.open(narrow) == "");
  handed.adopt(socket, narrow);
  Address wide = Address::from_ip("0.0.0.0", narrow.address.port()).value();
  CHECK(socket.open(at(wide)).find("is in use for it until a reload") != std::string::npos);
  CHECK(socket.fd() >= 0);
}

TEST_CASE("admin socket: a socket file has its mode, and goes with the socket") {
  const testing::TemporaryFolder folder;
  const std::string path = folder.file("admin.sock");
  AdminSocket socket;
  Handed handed;
  AdminConfig config = at(testing::unix_address(path));
  REQUIRE(socket.open(config) == "");
  handed.adopt(socket, config);
  const auto mode = [&path] {
    return static_cast<unsigned>(std::filesystem::status(path).permissions());
  };
  CHECK(mode() == 0600);
  config.file.mode = 0660;
  REQUIRE(socket.open(config) == "");
  handed.adopt(socket, config);
  CHECK(mode() == 0660);
  CHECK(handed.fds.size() == 1);
  const int copy = socket.take();  // as in a child, which closes it and leaves the file alone
  sys::close(copy);
  socket.close();
  CHECK(std::filesystem::exists(path));
}

TEST_CASE("admin socket: the master's end removes the file") {
  const testing::TemporaryFolder folder;
  const std::string path = folder.file("admin.sock");
  AdminSocket socket;
  REQUIRE(socket.open(at(testing::unix_address(path))) == "");
  socket.close();  // also of what was not adopted
  CHECK_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace sluice
