// What `sluice -s trace` prints: rows for the lines of JSON that a sluice answers with.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice {

// A handshake begins with its id; each row has its time and its step, where they are not those of
// the row before.
class TraceText {
 public:
  // Nullopt where the line is none of a trace.
  std::optional<std::string> rows_of(std::string_view line);

 private:
  std::string id_;
  std::string time_;
  std::string step_;
};

// "3 handshakes", of the line that ends the trace.
std::string handshakes_told(std::string_view line);

}  // namespace sluice
