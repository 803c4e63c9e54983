// JSON is nlohmann's; here is its type, with members in the order in which they were added, and how
// a value becomes a line. Whoever looks into one includes <nlohmann/json.hpp>.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace sluice {

using Json = nlohmann::ordered_json;

// The value in one line of printable ASCII, without line feed, whatever bytes its texts hold: what
// is not UTF-8 is replaced by U+FFFD, and everything else that is no printable ASCII is escaped, so
// that a line stays one and a terminal is only shown text. Throws nothing but std::bad_alloc.
std::string line_of(const Json& value);

}  // namespace sluice
