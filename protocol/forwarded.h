// The field Forwarded (RFC 7239): one element for each hop, in which the next one says whom it got
// the request from, by which scheme and for which host.
#pragma once

#include <string>
#include <string_view>

namespace sluice {

// A node (RFC 7239 6) of an entry as X-Forwarded-For has them: an IP address, with a port or
// without, quoted where it must be. What is no such entry is "unknown".
std::string forwarded_node(std::string_view entry);

// "for=NODE;host=\"HOST\";proto=PROTO"; an empty host is left out. `entry` as above.
std::string forwarded_element(std::string_view entry, std::string_view host,
                              std::string_view proto);

// The elements "for=NODE" that an X-Forwarded-For stands for (RFC 7239 7.4).
std::string forwarded_list(std::string_view forwarded_for);

}  // namespace sluice
