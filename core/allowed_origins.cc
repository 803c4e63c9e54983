// Origins are compared whole: scheme, host and port.
#include "core/allowed_origins.h"

#include <algorithm>

namespace sluice {

bool OriginPattern::takes(const Origin& page) const {
  const bool web = page.scheme == "http" || page.scheme == "https";
  if (origin.scheme.empty() ? !web : page.scheme != origin.scheme) return false;
  const uint16_t port = origin.port != 0 ? origin.port : default_port(page.scheme);
  if (page.port != port) return false;
  if (!below) return page.host == origin.host;
  return page.host.size() > origin.host.size() + 1 && page.host.ends_with(origin.host) &&
         page.host[page.host.size() - origin.host.size() - 1] == '.';
}

bool AllowedOrigins::allow(std::string_view field, const Origin& own) const {
  if (all) return true;
  if (field == "null") return null;
  const std::optional<Origin> page = parse_origin(field);
  if (!page) return false;
  if (same_origin && *page == own) return true;
  return std::any_of(patterns.begin(), patterns.end(),
                     [&page](const OriginPattern& each) { return each.takes(*page); });
}

}  // namespace sluice
