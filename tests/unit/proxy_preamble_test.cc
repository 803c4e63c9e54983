// The PROXY header for a peer: read again, it says who the client is.
#include "core/session/proxy_preamble.h"

#include <doctest/doctest.h>

#include <string>

#include "core/session/proxy_header.h"
#include "tests/unit/proxy_testing.h"

namespace sluice {
namespace {

ClientAddress address(const std::string& text) {
  return ClientAddress(Address::parse(text).value());
}

ClientAddress nameless() {
  const sockaddr local{AF_UNIX, {}};
  return ClientAddress(Address::from_sockaddr(&local, sizeof local.sa_family));
}

TEST_CASE("proxy preamble: version 1 in its own words") {
  const auto v1 = [](const ClientAddress& client, const ClientAddress& destination) {
    return proxy_preamble(SendProxyProtocol::v1, client, destination, {});
  };
  CHECK(v1(address("192.0.2.7:5000"), address("192.0.2.1:443")) ==
        "PROXY TCP4 192.0.2.7 192.0.2.1 5000 443\r\n");
  CHECK(v1(address("[2001:db8::7]:5000"), address("[2001:db8::1]:443")) ==
        "PROXY TCP6 2001:db8::7 2001:db8::1 5000 443\r\n");
  CHECK(v1(address("192.0.2.7:0"), address("[2001:db8::1]:443")) ==
        "PROXY TCP6 ::ffff:192.0.2.7 2001:db8::1 0 443\r\n");
  CHECK(v1(nameless(), address("192.0.2.1:443")) == "PROXY UNKNOWN\r\n");
  CHECK(v1(address("192.0.2.7:5000"), nameless()) == "PROXY UNKNOWN\r\n");
  CHECK(proxy_preamble(SendProxyProtocol::off, nameless(), nameless(), {}) == "");
}

TEST_CASE("proxy preamble: both versions are read as what they were written of") {
  const char* const hosts[][2] = {{"192.0.2.7:5000", "192.0.2.1:443"},
                                  {"[2001:db8::7]:5000", "[2001:db8::1]:443"},
                                  {"192.0.2.7:5000", "[2001:db8::1]:443"},
                                  {"[2001:db8::7]:5000", "192.0.2.1:443"}};
  const ProxyTlvs tlvs{.alpn = "http/1.1", .authority = "a.example", .unique_id = "0-x-17"};
  const ClientAddress own = address("10.0.0.1:1");
  for (const auto version : {SendProxyProtocol::v1, SendProxyProtocol::v2}) {
    for (const auto& pair : hosts) {
      const std::string header = proxy_preamble(version, address(pair[0]), address(pair[1]), tlvs);
      const ProxyParse parsed = testing::parse_proxy(header);
      REQUIRE(parsed.outcome == ProxyParse::Outcome::header);
      CHECK(parsed.header.bytes == header.size());
      CHECK(client_of(parsed.header, own).text() == pair[0]);
      CHECK(destination_of(parsed.header, own).text() == pair[1]);
    }
    const ProxyParse nobody =
        testing::parse_proxy(proxy_preamble(version, nameless(), address("192.0.2.1:443"), tlvs));
    REQUIRE(nobody.outcome == ProxyParse::Outcome::header);
    CHECK(client_of(nobody.header, own).text() == "10.0.0.1:1");
  }
}

TEST_CASE("proxy preamble: TLVs of version 2, byte by byte") {
  const std::string long_name(300, 'x');  // no host has such a name: left out
  const std::string header =
      proxy_preamble(SendProxyProtocol::v2, address("192.0.2.7:5000"), address("192.0.2.1:443"),
                     {.alpn = "h1", .authority = "a", .unique_id = "0-x-17"});
  CHECK(header ==
        testing::proxy_v2(0x21, 0x11,
                          testing::bytes_of_hex("c0000207 c0000201 1388 01bb") +
                              testing::proxy_tlv(0x01, "h1") + testing::proxy_tlv(0x02, "a") +
                              testing::proxy_tlv(0x05, "0-x-17")));
  CHECK(proxy_preamble(SendProxyProtocol::v2, nameless(), nameless(),
                       {.alpn = "", .authority = long_name, .unique_id = ""}) ==
        testing::proxy_v2(0x21, 0x00, ""));
}

}  // namespace
}  // namespace sluice
