// ProxyHeaderReader: exactly the header leaves the socket, however it came.
#include "core/session/proxy_header.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/unit/session_testing.h"

namespace sluice {
namespace {

using Step = ProxyHeaderReader::Step;

TrustedProxies trusted_ranges() {
  TrustedProxies trusted;
  trusted.ranges = {Cidr::parse("10.0.0.0/8").value()};
  return trusted;
}

struct Reading {
  TrustedProxies trusted = trusted_ranges();
  ClientAddress hop{Address::parse("10.0.0.1:5000").value()};
  testing::PairedLeg client;
  ProxyHeaderReader reader{client.leg, trusted, hop};
};

const std::string header = "PROXY TCP4 192.0.2.7 192.0.2.1 5000 443\r\n";

TEST_CASE("proxy header: byte by byte, each an edge of its own, and nothing behind it") {
  Reading r;
  for (size_t i = 0; i + 1 < header.size(); ++i) {
    r.client.say(header.substr(i, 1));
    CHECK(r.reader.run() == Step::wait);
    CHECK(sys::unread_bytes(r.client.leg.fd()) == static_cast<int>(i + 1));
  }
  r.client.say("\n");
  CHECK(r.reader.run() == Step::done);
  CHECK(sys::unread_bytes(r.client.leg.fd()) == 0);
  CHECK(r.reader.header().bytes == header.size());
  CHECK(client_of(r.reader.header(), r.hop).text() == "192.0.2.7:5000");
}

TEST_CASE("proxy header: in one segment with what is behind it, which stays") {
  Reading r;
  r.client.say(header + header + "x");
  CHECK(r.reader.run() == Step::done);
  CHECK(bool{r.client.leg.readable});
  CHECK(testing::recv_text(r.client.leg.fd()) == header + "x");
}

TEST_CASE("proxy header: whom it names") {
  const ClientAddress own(Address::parse("10.0.0.1:5000").value());
  ProxyHeader header_of_none;
  CHECK(client_of(header_of_none, own).text() == "10.0.0.1:5000");
  CHECK(destination_of(header_of_none, own).text() == "10.0.0.1:5000");
  ProxyHeader mapped;
  mapped.family = ProxyHeader::Family::ip6;
  mapped.source.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 9};
  mapped.source.port = 7;
  CHECK(client_of(mapped, own).text() == "192.0.2.9:7");
  ProxyHeader local;
  local.family = ProxyHeader::Family::unix_socket;
  CHECK(!client_of(local, own).has_ip());
}

TEST_CASE("proxy header: only unix sockets are trusted where nothing but `unix` is") {
  Reading r;
  r.trusted = {};
  r.trusted.unix_sockets = true;
  r.client.say(header);
  CHECK(r.reader.run() == Step::untrusted);
  const sockaddr nameless{AF_UNIX, {}};
  r.hop = ClientAddress(Address::from_sockaddr(&nameless, sizeof nameless.sa_family));
  r.client.leg.assume_readable();
  CHECK(r.reader.run() == Step::done);
}

}  // namespace
}  // namespace sluice
