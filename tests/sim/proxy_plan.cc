// Headers of both versions, those that name nobody, and now and then one that is wrong.
#include "tests/sim/proxy_plan.h"

#include "protocol/proxy_protocol.h"
#include "tests/sim/world.h"
#include "tests/unit/proxy_testing.h"

namespace sluice::sim {

namespace {

using testing::proxy_tlv;
using testing::proxy_v2;
using testing::with_crc32c;

std::string tlvs(Random& random) {
  std::string all;
  if (random.chance(50)) all += proxy_tlv(0x02, "a.example");
  if (random.chance(20)) all += proxy_tlv(0x04, std::string(random.below(3'000), '\0'));
  if (random.chance(20)) all += proxy_tlv(0xee, random.bytes(random.below(20)));
  return all;
}

// The header of a client whose address ends with `last`.
std::string header(Random& random, uint8_t last, std::string& forwarded_for) {
  const std::string ip4{'\xc0', '\0',   '\2', static_cast<char>(last),
                        '\xc0', '\0',   '\2', '\1',
                        '\x13', '\x88', '\1', '\xbb'};
  const std::string ip6_host("\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0", 15);
  const std::string number = std::to_string(last);
  switch (random.below(8)) {
    case 0:
      return "PROXY UNKNOWN\r\n";
    case 1:
      return proxy_v2(0x20, 0x00, "");
    case 2:
      forwarded_for = "192.0.2." + number;
      return "PROXY TCP4 " + forwarded_for + " 192.0.2.1 5000 443\r\n";
    case 3:
      forwarded_for = "2001:db8::5";
      return "PROXY TCP6 2001:db8::5 2001:db8::1 5000 443\r\n";
    case 4:
      forwarded_for = "";
      return proxy_v2(0x21, 0x31, std::string(216, 'x') + tlvs(random));
    case 5:
      forwarded_for = "192.0.2." + number;
      return with_crc32c(0x21, 0x11, ip4 + tlvs(random));
    case 6:
      forwarded_for = "192.0.2." + number;
      return proxy_v2(0x21, 0x11, ip4 + tlvs(random));
    default:
      break;
  }
  forwarded_for = "2001:db8::5";
  return proxy_v2(0x21, 0x21, ip6_host + '\5' + ip6_host + '\1' + ip4.substr(8) + tlvs(random));
}

void spoil(Random& random, std::string& bytes) {
  switch (random.below(3)) {
    case 0:
      bytes = "GET / HTTP/1.1\r\n\r\n";
      return;
    case 1:
      bytes = "PROXY TCP4 192.0.2.7 192.0.2.1 5000\r\n";
      return;
    default:
      bytes = proxy_v2(0x21, 0x11, std::string(12, '\1') + proxy_tlv(0x03, "1234"));
  }
}

}  // namespace

void expect_introductions(ListenConfig& listener) {
  listener.proxy_protocol = true;
  listener.trusted_proxies.ranges = {Cidr::parse(balancer_host).value()};
}

Introduction make_introduction(Random& random, const ListenConfig& listener, uint32_t number) {
  Introduction made;
  made.forwarded_for = balancer_host;
  if (!listener.proxy_protocol) return made;
  std::string bytes = header(random, static_cast<uint8_t>(2 + number % 200), made.forwarded_for);
  made.wrong = random.chance(5);
  if (made.wrong) spoil(random, bytes);
  const bool bytewise = bytes.size() < 300 && random.chance(20);
  while (!bytes.empty()) {
    const size_t part = bytewise            ? 1
                        : random.chance(60) ? bytes.size()
                                            : random.between(1, bytes.size());
    const uint64_t pause = bytewise ? 50 * us : 2 * ms;
    made.parts.push_back({bytes.substr(0, part), made.parts.empty() ? 0 : random.below(pause)});
    bytes.erase(0, part);
  }
  return made;
}

}  // namespace sluice::sim
