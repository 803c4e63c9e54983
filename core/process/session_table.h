// The table of sessions that `sluice -s sessions` prints: a row for each line of JSON that a sluice
// answers with.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice {

// What stands above the rows.
std::string session_head();
// Nullopt where the line is not about a session. What it does not say stands as "-".
std::optional<std::string> session_row(std::string_view line);
// "3 sessions, 12 more match: limit=N shows more", of the line that ends the list.
std::string sessions_told(std::string_view line);
// "250ms", "12s", "3m12s", "5h10m", "12d3h".
std::string age_text(uint64_t milliseconds);

}  // namespace sluice
