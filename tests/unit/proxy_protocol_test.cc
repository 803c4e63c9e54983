// PROXY headers: every form, truncated at every byte, and what no header may say.
#include "protocol/proxy_protocol.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/unit/proxy_testing.h"

namespace sluice {
namespace {

using Outcome = ProxyParse::Outcome;
using Family = ProxyHeader::Family;
using testing::parse_proxy;
using testing::proxy_tlv;
using testing::proxy_v2;
using testing::with_crc32c;

const std::string ip4 = testing::bytes_of_hex("c0000207 c0000201 1388 01bb");  // 192.0.2.7 to .1
const std::string ip6 = testing::bytes_of_hex(
    "20010db8000000000000000000000007 20010db8000000000000000000000001 1388 01bb");

// All that are good, with the family that they name.
std::vector<std::pair<std::string, Family>> good() {
  return {
      {"PROXY TCP4 192.0.2.7 192.0.2.1 5000 443\r\n", Family::ip4},
      {"PROXY TCP6 2001:db8::7 2001:db8::1 5000 443\r\n", Family::ip6},
      {"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
       "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
       Family::ip6},
      {"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", Family::ip4},
      {"PROXY UNKNOWN\r\n", Family::none},
      {"PROXY UNKNOWN whatever is  here must be ignored\r\n", Family::none},
      // The longest line that there is (2.1).
      {"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
       "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
       Family::none},
      {proxy_v2(0x21, 0x11, ip4), Family::ip4},
      {proxy_v2(0x21, 0x12, ip4), Family::ip4},
      {proxy_v2(0x21, 0x21, ip6), Family::ip6},
      {proxy_v2(0x21, 0x22, ip6), Family::ip6},
      {proxy_v2(0x21, 0x31, std::string(216, 'x')), Family::unix_socket},
      {proxy_v2(0x21, 0x00, ""), Family::none},
      {proxy_v2(0x20, 0x00, ""), Family::none},
      {proxy_v2(0x20, 0x11, ip4), Family::none},
      {proxy_v2(0x20, 0xff, "discarded, whatever it is"), Family::none},
      {proxy_v2(0x21, 0x11, ip4 + proxy_tlv(0x02, "a.example") + proxy_tlv(0xee, "")), Family::ip4},
      {proxy_v2(0x21, 0x11, ip4 + proxy_tlv(0x04, std::string(3000, '\0'))), Family::ip4},
      {proxy_v2(0x21, 0x00, proxy_tlv(0x05, "id")), Family::none},
      {with_crc32c(0x21, 0x21, ip6 + proxy_tlv(0x01, "http/1.1")), Family::ip6},
  };
}

TEST_CASE("proxy protocol: good headers, however much of them has come") {
  for (const auto& row : good()) {
    const std::string& header = row.first;
    CAPTURE(header);
    for (size_t size = 0; size < header.size(); ++size) {
      CHECK(parse_proxy(header.substr(0, size)).outcome == Outcome::more);
    }
    for (const std::string behind : {"", "\r\n", "GET / HTTP/1.1\r\n", "PROXY "}) {
      const ProxyParse parsed = parse_proxy(header + behind);
      REQUIRE(parsed.outcome == Outcome::header);
      CHECK(parsed.header.bytes == header.size());
      CHECK(parsed.header.family == row.second);
    }
  }
}

TEST_CASE("proxy protocol: both versions say the same of the same client") {
  for (const std::string& header :
       {std::string("PROXY TCP4 192.0.2.7 192.0.2.1 5000 443\r\n"), proxy_v2(0x21, 0x11, ip4)}) {
    const ProxyHeader parsed = parse_proxy(header).header;
    CHECK(parsed.source.ip[0] == 192);
    CHECK(parsed.source.ip[3] == 7);
    CHECK(parsed.source.port == 5000);
    CHECK(parsed.destination.ip[3] == 1);
    CHECK(parsed.destination.port == 443);
  }
  for (const std::string& header : {std::string("PROXY TCP6 2001:db8::7 2001:db8::1 5000 443\r\n"),
                                    proxy_v2(0x21, 0x21, ip6)}) {
    const ProxyHeader parsed = parse_proxy(header).header;
    CHECK(parsed.source.ip[1] == 0x01);
    CHECK(parsed.source.ip[15] == 7);
    CHECK(parsed.source.port == 5000);
    CHECK(parsed.destination.ip[15] == 1);
    CHECK(parsed.destination.port == 443);
  }
}

TEST_CASE("proxy protocol: bad at the first byte that makes it so, and at every one behind it") {
  // The header, and how many of its bytes are not yet bad.
  const std::vector<std::pair<std::string, size_t>> all = {
      {"GET / HTTP/1.1\r\n", 0},
      {"PROXY\r\n", 5},
      {"PROXX TCP4", 4},
      {"proxy TCP4", 0},
      {"\r\n\r\n\r\n", 4},
      {"PROXY TCP5 1.2.3.4 1.2.3.4 1 1\r\n", 31},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", 29},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n", 32},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1\r\n", 33},
      {"PROXY TCP4  1.2.3.4 1.2.3.4 1 1\r\n", 32},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", 35},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n", 32},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 -1 1\r\n", 32},
      {"PROXY TCP4 1.2.3.4 1.2.3.4  1\r\n", 30},
      {"PROXY TCP4 1.2.3 1.2.3.4 1 1\r\n", 29},
      {"PROXY TCP4 ::1 ::1 1 1\r\n", 23},
      {"PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n", 31},
      {"PROXY \r\n", 7},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n", 30},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 1 1\rX", 31},
      {std::string("PROXY UNKNOWN \0\r\n", 17), 16},
      {"PROXY " + std::string(200, 'x'), 106},
      {proxy_v2(0x11, 0x11, ip4), 12},                        // version 1
      {proxy_v2(0x22, 0x11, ip4), 12},                        // no such command
      {proxy_v2(0x21, 0x41, ip4), 15},                        // no such family
      {proxy_v2(0x21, 0x13, ip4), 15},                        // no such transport
      {proxy_v2(0x21, 0x11, ip4.substr(1)), 15},              // too short
      {proxy_v2(0x21, 0x21, ip4), 15},                        //
      {proxy_v2(0x21, 0x31, ip6), 15},                        //
      {proxy_v2(0x21, 0x11, std::string(4081, '\0')), 15},    // over 4096 bytes in all
      {proxy_v2(0x20, 0x00, std::string(0xffff, '\0')), 15},  //
      {proxy_v2(0x21, 0x11, ip4 + "\x02"), 28},               // half a TLV
      {proxy_v2(0x21, 0x11, ip4 + std::string("\x02\0\x02x", 4)), 31},
      {proxy_v2(0x21, 0x11, ip4 + proxy_tlv(0x20, "\x01")), 31},  // half of PP2_TYPE_SSL
      {proxy_v2(0x21, 0x11, ip4 + proxy_tlv(0x03, "1234")), 34},  // a wrong checksum
      {proxy_v2(0x21, 0x11, ip4 + proxy_tlv(0x03, "123")), 33},
  };
  for (const auto& row : all) {
    const std::string& header = row.first;
    CAPTURE(header);
    for (size_t size = 0; size <= header.size(); ++size) {
      const ProxyParse parsed = parse_proxy(header.substr(0, size));
      const Outcome expected = size <= row.second ? Outcome::more : Outcome::bad;
      CHECK_MESSAGE(parsed.outcome == expected, size);
      CHECK((*parsed.reason != '\0') == (parsed.outcome == Outcome::bad));
    }
  }
}

TEST_CASE("proxy protocol: a checksum counts every byte, a second one is odd") {
  const std::string header = with_crc32c(0x21, 0x11, ip4 + proxy_tlv(0x02, "a.example"));
  CHECK(parse_proxy(header).outcome == Outcome::header);
  for (size_t at = 13; at < header.size(); ++at) {
    // Another length is another header, and another type no checksum.
    if (at == 14 || at == 15 || at == header.size() - 7) continue;
    std::string changed = header;
    changed[at] = static_cast<char>(changed[at] ^ 0x40);
    CHECK_MESSAGE(parse_proxy(changed).outcome != Outcome::header, at);
  }
  const std::string twice = with_crc32c(0x21, 0x11, ip4 + proxy_tlv(0x03, "1234"));
  CHECK(parse_proxy(twice).outcome == Outcome::bad);
}

TEST_CASE("proxy protocol: whether the client spoke TLS to the balancer") {
  const std::string version = proxy_tlv(0x21, "TLSv1.3");
  const auto over_tls = [&](const std::string& tlvs) {
    const ProxyParse parsed = parse_proxy(proxy_v2(0x21, 0x11, ip4 + tlvs));
    CHECK(parsed.outcome == Outcome::header);
    return parsed.header.over_tls;
  };
  CHECK(!over_tls(""));
  CHECK(over_tls(proxy_tlv(0x20, std::string("\x01\0\0\0\0", 5) + version)));
  CHECK(!over_tls(proxy_tlv(0x20, std::string("\0\0\0\0\0", 5) + version)));
}

}  // namespace
}  // namespace sluice
