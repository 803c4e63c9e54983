// Who listens at an address, told by /proc; this process is the one.
#include "net/address_holder.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "net/sys.h"
#include "net/sys_process.h"
#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using testing::Descriptor;

std::string myself() {
  std::ifstream file("/proc/self/comm");
  std::string program;
  std::getline(file, program);
  return program + ", pid " + std::to_string(sys::process_id());
}

TEST_CASE("address_holder: who listens at a port is named, also where it holds all addresses") {
  const Address any = Address::parse("0.0.0.0:0").value();
  const Descriptor listener = testing::listening_socket(any);
  const uint16_t port = sys::local_address(listener.get()).port();
  CHECK(holder_of(Address::from_ip("127.0.0.1", port).value()) == myself());
  CHECK(holder_of(Address::from_ip("::1", port).value()) == myself());
}

TEST_CASE("address_holder: who listens at a socket file is named") {
  const testing::TemporaryFolder folder;
  const Address address = testing::unix_address(folder.file("x.sock"));
  const Descriptor listener = testing::listening_socket(address);
  CHECK(holder_of(address) == myself());
  CHECK(holder_of(testing::unix_address(folder.file("y.sock"))).empty());
}

TEST_CASE(
    "address_holder: a port that is bound and does not listen is nobody's, as without /proc") {
  const Descriptor bound = testing::bound_socket(testing::loopback());
  CHECK(holder_of(sys::local_address(bound.get())).empty());
  const Descriptor listener = testing::listening_socket(testing::loopback());
  CHECK(holder_of(sys::local_address(listener.get()), "/nowhere").empty());
}

TEST_CASE("address_holder: what a program calls itself is shown printable") {
  const testing::TemporaryFolder root;
  std::filesystem::create_directories(root.file("proc/net"));
  std::filesystem::create_directories(root.file("proc/7/fd"));
  std::filesystem::create_symlink("socket:[42]", root.file("proc/7/fd/3"));
  std::ofstream(root.file("proc/7/comm")) << "a\x1b[2Jb\r\n";
  std::ofstream(root.file("proc/net/tcp"))
      << "0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 42 1\n";
  const Address address = Address::from_ip("127.0.0.1", 8080).value();
  CHECK(holder_of(address, root.file("")) == "a?[2Jb?, pid 7");
}

}  // namespace
}  // namespace sluice
