// Strict JSON: an object that somebody else wrote, read so that no two readers can take it in two
// ways, and so that it costs no more than its length.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string_view>

namespace sluice {

// Objects and arrays within one another; what is read here nests four deep at most.
inline constexpr size_t most_json_depth = 16;

// Nothing where the text is no JSON object (RFC 8259), names a member twice at any depth (section
// 4: readers differ), nests deeper than most_json_depth, or has a number that no double holds.
// Throws nothing but std::bad_alloc. Who calls it includes <nlohmann/json.hpp>.
std::optional<nlohmann::json> parse_json_object(std::string_view text);

}  // namespace sluice
