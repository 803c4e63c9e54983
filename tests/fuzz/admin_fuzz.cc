// Requests to the admin address: a head that the parser takes is answered with a page only where it
// names us by an address or a known name, in its Host and in its Origin, and every refusal is one
// printable line.
#include <algorithm>
#include <memory>
#include <string>

#include "core/process/admin_request.h"
#include "net/check.h"
#include "protocol/http1.h"
#include "tests/fuzz/input.h"

namespace sluice::fuzz {

namespace {

AdminRules known_rules() {
  AdminRules rules;
  rules.hosts = {"metrics.internal"};
  return rules;
}

// The rule once more, written otherwise: a host without its port is all that an address may hold,
// or one of two names.
bool plausible(std::string_view host) {
  const size_t colon = host.rfind(':');
  const bool bracket = host.starts_with('[');
  const size_t end = bracket ? host.find(']') : std::min(colon, host.size());
  if (end == std::string_view::npos) return false;
  std::string name(host.substr(0, end));
  for (char& byte : name) byte = byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + 32) : byte;
  const char* const allowed = bracket ? "[0123456789abcdef:.%" : "0123456789.";
  return name == "localhost" || name == "metrics.internal" ||
         (!name.empty() && name.find_first_not_of(allowed) == std::string::npos);
}

void check(const RequestHead& head) {
  static const AdminRules rules = known_rules();
  const AdminRequest request = read_admin_request(head, rules);
  if (request.refusal) {
    const AdminAnswer& refusal = *request.refusal;
    SLUICE_CHECK(refusal.status >= 400 && refusal.abuse != nullptr);
    SLUICE_CHECK(refusal.body.find('\n') == refusal.body.size() - 1);
    SLUICE_CHECK(std::all_of(refusal.body.begin(), refusal.body.end() - 1,
                             [](char byte) { return byte >= ' ' && byte <= '~'; }));
    return;
  }
  SLUICE_CHECK(head.method == (request.head_only ? "HEAD" : "GET"));
  SLUICE_CHECK(head.count("Host") == 1 && plausible(*head.find("Host")));
  SLUICE_CHECK(head.target.starts_with('/'));
  if (const std::string_view* const origin = head.find("Origin")) {
    const size_t scheme = origin->find("://");
    SLUICE_CHECK(scheme != std::string_view::npos && plausible(origin->substr(scheme + 3)));
  }
}

void run(std::string_view text) {
  Http1Parser parser(Http1Parser::Role::request, {4096, 100});
  if (parser.feed_head(text).outcome == Http1Parser::Outcome::complete) check(parser.request());
}

}  // namespace

}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
