// A sink which takes nothing costs lines, not time; datagrams find a daemon that was started anew.
#include "core/observe/log_sink.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "net/sys.h"
#include "tests/unit/conf_testing.h"
#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using testing::Descriptor;

// Who listens as a syslog daemon does.
Descriptor daemon_at(const Address& address) {
  Descriptor socket(sys::datagram_socket(address.family()));
  REQUIRE(sys::bind(socket.get(), address) == 0);
  return socket;
}

std::vector<std::string> received(const Descriptor& socket) {
  std::vector<std::string> lines;
  char line[70'000];
  for (ssize_t got = sys::recv(socket.get(), line, sizeof line); got > 0;
       got = sys::recv(socket.get(), line, sizeof line)) {
    lines.emplace_back(line, static_cast<size_t>(got));
  }
  return lines;
}

using Lines = std::vector<std::string>;

TEST_CASE("a stuck pipe drops whole lines and counts them") {
  for (const bool may_block : {false, true}) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    if (!may_block) REQUIRE(::fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
    LogSink sink;
    sink.use({ends[1], may_block});
    const std::string line(999, 'l');
    for (int i = 0; i < 200; ++i) {
      sink.write(line);
      if (i % 10 == 9) sink.flush();
    }
    sink.flush();
    CHECK(sink.dropped() > 0);
    CHECK(sink.dropped() < 200);
    ::close(ends[1]);
    std::string all;
    char piece[4096];
    for (ssize_t got = ::read(ends[0], piece, sizeof piece); got > 0;
         got = ::read(ends[0], piece, sizeof piece)) {
      all.append(piece, static_cast<size_t>(got));
    }
    CHECK(all.size() / 1000 + sink.dropped() <= 200);
    CHECK(all.size() / 1000 + sink.dropped() >= 199);
    ::close(ends[0]);
  }
}

TEST_CASE("a full disk drops lines and counts them") {
  LogSink sink;
  const int fd = ::open("/dev/full", O_WRONLY);
  if (fd < 0) return;
  sink.use({fd, false});
  sink.write("lost");
  sink.write("lost too");
  sink.flush();
  CHECK(sink.dropped() == 2);
  CHECK(sink.take_dropped() == 2);
  CHECK(sink.take_dropped() == 0);
  ::close(fd);
}

TEST_CASE("log sink: each line is a datagram") {
  const testing::TestFolder folder;
  const Address address = Address::from_unix_path(folder.path() + "log").value();
  const Descriptor daemon = daemon_at(address);
  const Descriptor socket(sys::datagram_socket(AF_UNIX));
  REQUIRE(sys::connect(socket.get(), address) == 0);
  LogSink sink;
  sink.use({socket.get(), false}, address);
  sink.write("one");
  sink.write("two words");
  sink.flush();
  CHECK(received(daemon) == Lines{"one", "two words"});
  CHECK(sink.drained());
  CHECK(sink.dropped() == 0);
}

TEST_CASE("log sink: lines while the daemon is away are lost, the first one behind is not") {
  const testing::TestFolder folder;
  const Address address = Address::from_unix_path(folder.path() + "log").value();
  const Descriptor socket(sys::datagram_socket(AF_UNIX));
  LogSink sink;
  sink.use({socket.get(), false}, address);
  sink.write("nobody");
  sink.write("is there");
  sink.flush();
  CHECK(sink.dropped() == 2);
  for (int i = 0; i < 3; ++i) {
    Descriptor daemon = daemon_at(address);
    sink.write("here");
    sink.write("again");
    sink.flush();
    CHECK(received(daemon) == Lines{"here", "again"});
    daemon.close();
    if (i == 1) {
      sink.write("gone");
      sink.flush();
    }
    REQUIRE(sys::remove_socket_file(address.unix_path().c_str()) == 0);
  }
  CHECK(sink.dropped() == 3);
}

TEST_CASE("log sink: a daemon that reads nothing, and a line that is too long, cost lines") {
  const testing::TestFolder folder;
  const Address address = Address::from_unix_path(folder.path() + "log").value();
  const Descriptor daemon = daemon_at(address);
  const Descriptor socket(sys::datagram_socket(AF_UNIX));
  REQUIRE(sys::connect(socket.get(), address) == 0);
  LogSink sink;
  sink.use({socket.get(), false}, address);
  size_t written = 0;
  for (int flushes = 0; flushes < 50; ++flushes) {
    for (int i = 0; i < 100; ++i, ++written) sink.write(std::string(500, 'x'));
    sink.flush();
  }
  CHECK(sink.dropped() > 0);
  CHECK(received(daemon).size() + sink.dropped() == written);
  sink.take_dropped();

  const Descriptor receiver = daemon_at(Address::parse("127.0.0.1:0").value());
  const Address there = sys::local_address(receiver.get());
  const Descriptor udp(sys::datagram_socket(AF_INET));
  REQUIRE(sys::connect(udp.get(), there) == 0);
  LogSink over_udp;
  over_udp.use({udp.get(), false}, there);
  over_udp.write(std::string(65'530, 'x'));
  over_udp.write("fits");
  over_udp.flush();
  CHECK(over_udp.dropped() == 1);
  CHECK(received(receiver) == Lines{"fits"});
}

TEST_CASE("log sink: over UDP a refusal tells of a lost line, and the next one is sent") {
  Descriptor first = daemon_at(Address::parse("127.0.0.1:0").value());
  const Address there = sys::local_address(first.get());
  const Descriptor socket(sys::datagram_socket(AF_INET));
  REQUIRE(sys::connect(socket.get(), there) == 0);
  LogSink sink;
  sink.use({socket.get(), false}, there);
  first.close();
  sink.write("lost");
  sink.flush();
  const Descriptor second = daemon_at(there);
  sink.write("taken");
  sink.flush();
  CHECK(received(second) == Lines{"taken"});
  CHECK(sink.dropped() == 1);
}

}  // namespace
}  // namespace sluice
