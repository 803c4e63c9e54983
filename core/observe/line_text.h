// How values stand in lines of the logs: escaped, so that no value ends its field or its line, and
// cut where they are longer than a line is to have room for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice {

// Behind what was cut.
inline constexpr std::string_view cut_mark = "...";

// "2026-01-31T12:00:00.000Z", UTC.
std::string timestamp_text(uint64_t wall_clock_ms);

// Appends the text with control and non-ASCII bytes as \xNN: no line ends in it.
void append_printable(std::string& line, std::string_view text);

// Appends ` name=value`; a value with blanks, quotes, control bytes or nothing in it is quoted,
// with quotes and backslashes escaped and control and non-ASCII bytes as \xNN, so that a line stays
// one. Of the value, as it is written, at most so many bytes; the mark comes on top.
void append_field(std::string& line, std::string_view name, std::string_view value,
                  size_t most_bytes = std::string_view::npos);
void append_field(std::string& line, std::string_view name, uint64_t value);

// Appends a JSON string (RFC 8259 7) with its quotes, in printable ASCII alone whatever bytes the
// value holds: what is no UTF-8 is replaced by U+FFFD, everything else that is no printable ASCII
// is escaped. `most_bytes` as above.
void append_json_text(std::string& line, std::string_view value,
                      size_t most_bytes = std::string_view::npos);

}  // namespace sluice
