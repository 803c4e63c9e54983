// The texts of /etc/hosts and /etc/resolv.conf, parsed. Pure: who reads the files, and when, is
// somebody else's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "net/address.h"

namespace sluice {

// A reader gives the parsers at most so much of a file; lists of hosts to block have some MiB.
inline constexpr size_t most_name_file_bytes = 8 * 1024 * 1024;

// Names in lower case, with the addresses of their lines in the file's order, each once, port 0.
using HostAddresses = std::map<std::string, std::vector<Address>, std::less<>>;
using HostNames = std::set<std::string, std::less<>>;

// What a text as hosts(5) says has of `wanted` (lower case), as a line's first name or as an alias,
// in any case. Lines without an address are skipped; so are addresses with a scope, which belong to
// one machine's interfaces.
HostAddresses parse_hosts(std::string_view text, const HostNames& wanted);

// What resolv.conf(5) knows that matters to an unprivileged resolver, within the bounds of that
// page.
struct ResolverFile {
  static constexpr size_t most_servers = 3;
  static constexpr size_t most_domains = 32;  // the page knows no bound any more; 6 before
  static constexpr uint32_t most_ndots = 15;
  static constexpr uint32_t most_timeout_s = 30;
  static constexpr uint32_t most_attempts = 5;

  std::vector<Address> servers;      // never empty: 127.0.0.1:53 where the text names none
  std::vector<std::string> domains;  // lower case, without a dot at the end
  uint32_t ndots = 1;                // a name with fewer dots is tried in the domains first
  uint32_t timeout_s = 5;            // for one try
  uint32_t attempts = 2;             // over all servers
  bool rotate = false;               // questions go to the servers in turn
  std::vector<std::string> notes;    // for the log: lines that cannot be followed, and why

  bool operator==(const ResolverFile&) const = default;
};

// The last `search` or `domain` counts. Where there is neither, no domain is tried: that of the
// machine's name is left out, which would need another source. Lines and options that are unknown
// are skipped.
ResolverFile parse_resolver_file(std::string_view text);

}  // namespace sluice
