// The walk takes no more steps than the head has bytes, which max_header_size bounds, and goes on
// only behind addresses that the operator trusts.
#include "core/session/real_client.h"

#include <optional>
#include <string_view>

namespace sluice {

namespace {

std::optional<ClientAddress> address_of(std::string_view entry) {
  const bool bracketed = entry.starts_with('[');
  Result<Address> address = bracketed && entry.ends_with(']')
                                ? Address::from_ip(entry.substr(1, entry.size() - 2), 0)
                                : Address::from_ip(entry, 0);
  if (bracketed && address.ok() && address.value().family() != AF_INET6) return std::nullopt;
  if (!address.ok()) {
    // Address::parse alone would take more: a port without a host, a unix socket's path.
    const size_t colon = entry.rfind(':');
    if (colon == std::string_view::npos || colon == 0 || entry.starts_with("unix:")) {
      return std::nullopt;
    }
    address = Address::parse(entry);
    if (!address.ok() || address.value().port() == 0) return std::nullopt;
  }
  return ClientAddress(address.value());
}

// The last entry of the list, which is taken off it; empty where there is none.
std::string_view take_last(std::string_view& list) {
  std::string_view entry;
  while (entry.empty() && !list.empty()) {
    const size_t comma = list.rfind(',');
    const size_t begin = comma == std::string_view::npos ? 0 : comma + 1;
    entry = without_blanks(list.substr(begin));
    list = list.substr(0, begin == 0 ? 0 : comma);
  }
  return entry;
}

}  // namespace

ClientAddress real_client(const Head& head, std::string_view field, const TrustedProxies& trusted,
                          const ClientAddress& hop) {
  ClientAddress client = hop;
  for (auto each = head.fields.rbegin(); each != head.fields.rend(); ++each) {
    if (!equals_ignoring_case(each->name, field)) continue;
    std::string_view list = each->value;
    for (std::string_view entry; !(entry = take_last(list)).empty();) {
      if (!trusted.trust(client.address())) return client;
      const std::optional<ClientAddress> named = address_of(entry);
      if (!named) return client;
      client = *named;
    }
  }
  return client;
}

}  // namespace sluice
