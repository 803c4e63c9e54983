// X-Forwarded-For: the walk ends at somebody who is not trusted, or at the end of what is an
// address, and never takes an address that stands to the left of a stranger.
#include <algorithm>
#include <string>
#include <vector>

#include "core/session/real_client.h"
#include "net/check.h"
#include "protocol/forwarded.h"
#include "tests/fuzz/input.h"

namespace sluice::fuzz {

namespace {

TrustedProxies trusted() {
  TrustedProxies proxies;
  for (const char* range : {"10.0.0.0/8", "2001:db8::/32", "::1"}) {
    proxies.ranges.push_back(Cidr::parse(range).value());
  }
  return proxies;
}

ClientAddress walked(const std::vector<std::string>& lines, const ClientAddress& hop) {
  static const TrustedProxies proxies = trusted();
  Head head;
  for (const std::string& line : lines) head.add("X-Forwarded-For", line);
  return real_client(head, "x-forwarded-for", proxies, hop);
}

void run(std::string_view text) {
  static const TrustedProxies proxies = trusted();
  const ClientAddress hop(Address::parse("10.0.0.1:80").value());
  std::vector<std::string> lines;
  std::string joined;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    if (lines.size() > 1) joined += ',';
    joined += lines.back();
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  const ClientAddress client = walked(lines, hop);
  SLUICE_CHECK(client.has_ip());
  // Lines are one list.
  SLUICE_CHECK(walked({joined}, hop).text() == client.text());
  // Whatever stands before the list changes nothing once somebody was not trusted.
  std::vector<std::string> longer = lines;
  longer.insert(longer.begin(), "192.0.2.1, 10.9.9.9");
  const std::string further = walked(longer, hop).text();
  const bool stranger = !proxies.trust(client.address());
  if (stranger) SLUICE_CHECK(further == client.text());
  // A stranger behind the list is the client, whatever the list says.
  std::vector<std::string> behind = lines;
  behind.push_back("192.0.2.9");
  SLUICE_CHECK(walked(behind, hop).text() == "192.0.2.9");
  // A hop that is not trusted is believed nothing.
  const ClientAddress other(Address::parse("192.0.2.9:80").value());
  SLUICE_CHECK(walked(lines, other).text() == other.text());
  // What is written as Forwarded of it is well-formed: quotes in pairs, nothing of a stranger's
  // that ends an element.
  const std::string list = forwarded_list(joined);
  SLUICE_CHECK(std::count(list.begin(), list.end(), '"') % 2 == 0);
  SLUICE_CHECK(list.find_first_of(";\\\r\n") == std::string::npos);
}

}  // namespace

}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
