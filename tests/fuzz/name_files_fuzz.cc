// The texts of /etc/hosts and /etc/resolv.conf: what comes of any text is within its bounds, and
// is found again in a text that says it alone.
#include <algorithm>
#include <string>

#include "core/keeper/name_files.h"
#include "net/check.h"
#include "tests/fuzz/input.h"

namespace sluice::fuzz {

namespace {

void check_hosts(std::string_view text) {
  const HostNames wanted = {"a", "chat", "chat.example.org", "localhost", "10.0.0.1"};
  const HostAddresses found = parse_hosts(text, wanted);
  std::string again;
  for (const auto& [name, addresses] : found) {
    SLUICE_CHECK(wanted.count(name) == 1 && !addresses.empty());
    for (const Address& each : addresses) {
      SLUICE_CHECK(!each.is_unix() && each.port() == 0);
      again += each.host_text() + " " + name + "\n";
    }
  }
  SLUICE_CHECK(parse_hosts(again, wanted) == found);
}

void check_resolver_file(std::string_view text) {
  const ResolverFile file = parse_resolver_file(text);
  SLUICE_CHECK(!file.servers.empty() && file.servers.size() <= ResolverFile::most_servers);
  SLUICE_CHECK(file.domains.size() <= ResolverFile::most_domains);
  SLUICE_CHECK(file.ndots <= ResolverFile::most_ndots);
  SLUICE_CHECK(file.timeout_s >= 1 && file.timeout_s <= ResolverFile::most_timeout_s);
  SLUICE_CHECK(file.attempts >= 1 && file.attempts <= ResolverFile::most_attempts);
  std::string again = "search";
  for (const std::string& domain : file.domains) again += " " + domain;
  for (const Address& each : file.servers) again += "\nnameserver " + each.host_text();
  again += "\noptions ndots:" + std::to_string(file.ndots) +
           " timeout:" + std::to_string(file.timeout_s) +
           " attempts:" + std::to_string(file.attempts) + (file.rotate ? " rotate" : "");
  ResolverFile read = parse_resolver_file(again);
  read.notes = file.notes;
  SLUICE_CHECK(read == file);
}

}  // namespace

}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(sluice::fuzz::text_of({data, size}));
  sluice::fuzz::check_hosts(text);
  sluice::fuzz::check_resolver_file(text);
  return 0;
}
