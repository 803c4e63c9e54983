// Cidr: what it takes, what it holds.
#include "net/cidr.h"

#include <doctest/doctest.h>

#include <string>

namespace sluice {
namespace {

bool holds(const char* range, const char* host) {
  const Result<Cidr> parsed = Cidr::parse(range);
  REQUIRE_MESSAGE(parsed.ok(), range);
  return parsed.value().holds(Address::from_ip(host, 80).value());
}

TEST_CASE("cidr: holds what shares its prefix") {
  CHECK(holds("10.0.0.0/8", "10.255.1.2"));
  CHECK(!holds("10.0.0.0/8", "11.0.0.0"));
  CHECK(holds("192.0.2.128/25", "192.0.2.255"));
  CHECK(!holds("192.0.2.128/25", "192.0.2.127"));
  CHECK(holds("192.0.2.1", "192.0.2.1"));
  CHECK(!holds("192.0.2.1", "192.0.2.0"));
  CHECK(holds("0.0.0.0/0", "8.8.8.8"));
  CHECK(!holds("0.0.0.0/0", "::1"));
  CHECK(holds("2001:db8::/33", "2001:db8:7fff::1"));
  CHECK(!holds("2001:db8::/33", "2001:db8:8000::1"));
  CHECK(holds("::/0", "2001:db8::1"));
  CHECK(!holds("::/0", "10.0.0.1"));
  CHECK(holds("::1", "::1"));
}

TEST_CASE("cidr: a mapped IPv4 address is that IPv4 address, on either side") {
  CHECK(holds("10.0.0.0/8", "::ffff:10.1.2.3"));
  CHECK(holds("::ffff:10.0.0.0/104", "10.1.2.3"));
  CHECK(holds("::ffff:10.1.2.3", "10.1.2.3"));
  CHECK(!holds("::/0", "::ffff:10.1.2.3"));
  const Address mapped = Address::parse("[::ffff:192.0.2.1]:80").value();
  CHECK(without_mapping(mapped).text() == "192.0.2.1:80");
  const Address other = Address::parse("[2001:db8::1]:80").value();
  CHECK(without_mapping(other).text() == "[2001:db8::1]:80");
  CHECK(!Cidr::parse("0.0.0.0/0").value().holds(Address::from_unix_path("/x").value()));
}

TEST_CASE("cidr: text, and ranges of everybody") {
  CHECK(Cidr::parse("10.0.0.0/8").value().text() == "10.0.0.0/8");
  CHECK(Cidr::parse("::ffff:10.0.0.0/104").value().text() == "10.0.0.0/8");
  CHECK(Cidr::parse("2001:DB8::1").value().text() == "2001:db8::1/128");
  CHECK(Cidr::parse("0.0.0.0/0").value().is_all());
  CHECK(Cidr::parse("::/0").value().is_all());
  CHECK(!Cidr::parse("0.0.0.0").value().is_all());
}

TEST_CASE("cidr: what is none") {
  for (const char* text :
       {"", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8 ", " 10.0.0.0", "10.0.0/8",
        "10.0.0.0/8/8", "::/129", "[::1]", "example.org", "10.0.0.1/8", "2001:db8::1/32",
        "10.0.0.0/0x8", "10.0.0.1:80", "unix", "010.0.0.1", "10.0.0.0/+8"}) {
    CHECK_MESSAGE(!Cidr::parse(text).ok(), text);
  }
  CHECK(std::string(Cidr::parse("10.0.0.1/8").fault().what) == "bits are set behind the prefix");
}

}  // namespace
}  // namespace sluice
