// Address: every textual form, and what comes back from the kernel's form.
#include "net/address.h"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <string>

using namespace sluice;

TEST_CASE("address: numeric forms are read and written back") {
  struct Row {
    const char* given;
    const char* text;
    const char* host;
    int family;
    uint16_t port;
  };
  const Row rows[] = {
      {"127.0.0.1:80", "127.0.0.1:80", "127.0.0.1", AF_INET, 80},
      {"8080", "0.0.0.0:8080", "0.0.0.0", AF_INET, 8080},
      {":8080", "0.0.0.0:8080", "0.0.0.0", AF_INET, 8080},
      {"0", "0.0.0.0:0", "0.0.0.0", AF_INET, 0},
      {"[::1]:443", "[::1]:443", "::1", AF_INET6, 443},
      {"[::]:65535", "[::]:65535", "::", AF_INET6, 65535},
      {"[2001:DB8::0:1]:1", "[2001:db8::1]:1", "2001:db8::1", AF_INET6, 1},
      {"unix:/run/x.sock", "unix:/run/x.sock", "unix:", AF_UNIX, 0},
  };
  for (const Row& row : rows) {
    CAPTURE(row.given);
    const Result<Address> address = Address::parse(row.given);
    REQUIRE(address.ok());
    CHECK(address.value().text() == row.text);
    CHECK(address.value().host_text() == row.host);
    CHECK(address.value().family() == row.family);
    CHECK(address.value().port() == row.port);
    CHECK(address.value().is_unix() == (row.family == AF_UNIX));
  }
}

TEST_CASE("address: everything else is a fault") {
  for (const char* given : {"",
                            ":",
                            "localhost:80",
                            "127.0.0.1",
                            "127.0.0.1:",
                            "127.0.0.1:65536",
                            "127.0.0.1:-1",
                            "127.0.0.1:8x",
                            "127.1:80",
                            "1.2.3.4.5:80",
                            "::1:80",
                            "[::1]",
                            "[::1:80",
                            "::1]:80",
                            "[127.0.0.1]:80",
                            "[]:80",
                            "[:80",
                            "[:::]:80",
                            "unix:",
                            "99999",
                            "example.org",
                            " 80"}) {
    CAPTURE(given);
    CHECK_FALSE(Address::parse(given).ok());
  }
  CHECK_FALSE(Address::from_ip(std::string_view("127.0.0.1\0x", 11), 80).ok());
  CHECK_FALSE(Address::from_ip("localhost", 80).ok());
  CHECK_FALSE(Address::from_unix_path(std::string_view("/a\0b", 4)).ok());
}

TEST_CASE("address: a unix path fits or is refused") {
  const size_t most = sizeof(sockaddr_un::sun_path) - 1;
  const std::string path = "/" + std::string(most - 1, 'x');
  const Result<Address> longest = Address::from_unix_path(path);
  REQUIRE(longest.ok());
  CHECK(longest.value().unix_path() == path);
  CHECK_FALSE(Address::from_unix_path(path + "x").ok());
}

TEST_CASE("address: what accept gives for an unnamed unix peer") {
  sockaddr_un peer{};
  peer.sun_family = AF_UNIX;
  const Address address =
      Address::from_sockaddr(reinterpret_cast<const sockaddr*>(&peer), sizeof peer.sun_family);
  CHECK(address.is_unix());
  CHECK(address.text() == "unix:");
  CHECK(address.unix_path().empty());
}

TEST_CASE("address: the port can be changed, unix has none") {
  Address v4 = Address::parse("127.0.0.1:1").value();
  v4.set_port(65535);
  CHECK(v4.text() == "127.0.0.1:65535");
  Address v6 = Address::parse("[::1]:1").value();
  v6.set_port(2);
  CHECK(v6.text() == "[::1]:2");
  Address local = Address::parse("unix:/x").value();
  local.set_port(3);
  CHECK(local.text() == "unix:/x");
  CHECK(local.port() == 0);
}

TEST_CASE("address: equality goes by family, host and port") {
  CHECK(Address::parse("8080").value() == Address::parse("0.0.0.0:8080").value());
  CHECK_FALSE(Address::parse("8080").value() == Address::parse("8081").value());
  CHECK_FALSE(Address::parse("8080").value() == Address::parse("[::]:8080").value());
  CHECK(Address().text().empty());
  CHECK(Address().port() == 0);
}

TEST_CASE("address: numeric hosts need no resolver, unknown names are a fault") {
  const auto numeric = resolve_blocking("::1", 9001);
  REQUIRE(numeric.ok());
  REQUIRE(numeric.value().size() == 1);
  CHECK(numeric.value()[0].text() == "[::1]:9001");
  const auto named = resolve_blocking("localhost", 9001);
  REQUIRE(named.ok());
  for (const Address& address : named.value()) CHECK(address.port() == 9001);
  CHECK_FALSE(resolve_blocking("a..b", 80).ok());
  CHECK_FALSE(resolve_blocking("", 80).ok());
}
