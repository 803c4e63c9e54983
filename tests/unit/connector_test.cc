// Connector: success, refusals at once and later, and that a refusal costs no descriptor.
#include "net/connector.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "net/sys.h"
#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using testing::Descriptor;

int outcome_of(int fd) {
  pollfd question{fd, POLLOUT, 0};
  REQUIRE(::poll(&question, 1, testing::patience_ms) == 1);
  return connect_outcome(fd);
}

int lowest_free_descriptor() {
  return Descriptor(::dup(0)).get();
}

TEST_CASE("connector: from an address of ours, with a port that the system chooses") {
  const Descriptor listener = testing::listening_socket(testing::loopback());
  const Address from = Address::from_ip("127.0.0.2", 0).value();
  Result<int> started = start_connect(sys::local_address(listener.get()), &from);
  REQUIRE(started.ok());
  const Descriptor client(started.value());
  CHECK(outcome_of(client.get()) == 0);
  CHECK(sys::local_address(client.get()).host_text() == "127.0.0.2");
  CHECK(sys::local_address(client.get()).port() != 0);

  const int lowest = lowest_free_descriptor();
  const Address elsewhere = Address::from_ip("192.0.2.99", 0).value();
  started = start_connect(sys::local_address(listener.get()), &elsewhere);
  REQUIRE(!started.ok());
  CHECK(started.fault().error == EADDRNOTAVAIL);
  CHECK(std::string(started.fault().what) == "bind");
  CHECK(lowest_free_descriptor() == lowest);
}

TEST_CASE("connector: TCP connects, without delay and without blocking") {
  const Descriptor listener = testing::listening_socket(testing::loopback());
  Result<int> started = start_connect(sys::local_address(listener.get()));
  REQUIRE(started.ok());
  const Descriptor client(started.value());
  CHECK(outcome_of(client.get()) == 0);
  int no_delay = 0;
  socklen_t length = sizeof no_delay;
  REQUIRE(::getsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &no_delay, &length) == 0);
  CHECK(no_delay != 0);
  CHECK((::fcntl(client.get(), F_GETFL) & O_NONBLOCK) != 0);

  Address peer;
  const Descriptor accepted(sys::accept(listener.get(), peer));
  CHECK(peer == sys::local_address(client.get()));
  testing::send_text(client.get(), "hello");
  sys::wait_readable(accepted.get(), testing::patience_ms);
  CHECK(testing::recv_text(accepted.get()) == "hello");
}

TEST_CASE("connector: nobody listens on the TCP port") {
  const Descriptor bound = testing::bound_socket(testing::loopback());  // keeps the port ours
  Result<int> started = start_connect(sys::local_address(bound.get()));
  if (started.ok()) {
    const Descriptor client(started.value());
    CHECK(outcome_of(client.get()) == ECONNREFUSED);
    CHECK(connect_outcome(client.get()) == 0);  // it is told once
  } else {
    CHECK(started.fault().error == ECONNREFUSED);
  }
}

TEST_CASE("connector: unix sockets answer at once") {
  const testing::TemporaryFolder folder;
  const Address address = testing::unix_address(folder.file("x.sock"));
  const int free_before = lowest_free_descriptor();
  const Result<int> missing = start_connect(address);
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.fault().error == ENOENT);
  CHECK(std::string(missing.fault().what) == "connect");
  CHECK(lowest_free_descriptor() == free_before);

  Descriptor listener = testing::listening_socket(address);
  Result<int> started = start_connect(address);
  REQUIRE(started.ok());
  const Descriptor client(started.value());
  CHECK(connect_outcome(client.get()) == 0);
  testing::send_text(client.get(), "before accept");

  listener.close();
  CHECK(start_connect(address).fault().error == ECONNREFUSED);
}

TEST_CASE("connector: a unix listener's full backlog is a refusal, not an endless wait") {
  const testing::TemporaryFolder folder;
  const Address address = testing::unix_address(folder.file("full.sock"));
  const Descriptor listener = testing::listening_socket(address, 0);
  std::vector<Descriptor> clients;
  Result<int> started = start_connect(address);
  while (started.ok() && clients.size() < 100) {
    clients.emplace_back(started.value());
    started = start_connect(address);
  }
  REQUIRE_FALSE(started.ok());
  CHECK_FALSE(clients.empty());
  CHECK(started.fault().error == EAGAIN);
  const int free_before = lowest_free_descriptor();
  CHECK_FALSE(start_connect(address).ok());
  CHECK(lowest_free_descriptor() == free_before);

  Address peer;
  const Descriptor accepted(sys::accept(listener.get(), peer));
  Result<int> again = start_connect(address);
  REQUIRE(again.ok());
  sys::close(again.value());
}

}  // namespace
}  // namespace sluice
