// Notices: keeps lines that recur from flooding the error log. The first lines of a kind pass at
// once, then one a minute, which counts the others. It writes nothing itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"

namespace sluice {

// A member of Log, which passes it lines and writes what it returns. Bounded: most_kinds times
// most_text_bytes, taken only once a kind has had its first lines.
class Notices {
 public:
  static constexpr size_t first_lines = 5;       // of a kind, at once
  static constexpr uint64_t window_ms = 60'000;  // then one line for each
  static constexpr size_t most_kinds = 64;       // kinds beyond share one
  static constexpr size_t most_text_bytes = 2048;

  struct Line {
    LogLevel level;
    std::string text;
  };

  // True: the caller writes the line now. False: it is counted, and `text` kept as the latest of
  // its kind. A kind that was silent for a whole window begins anew. `kind` is ours or the
  // conf's, never a stranger's.
  bool admit(LogLevel level, std::string_view kind, std::string_view text, uint64_t now_ms);

  // Whether any line is counted and not yet told.
  bool pending() const { return counted_ > 0; }
  // A line that tells a kind's count, once its window has passed; nullopt where none is due.
  std::optional<Line> take_due(uint64_t now_ms);
  // The same, without waiting for the window: for the end.
  std::optional<Line> take_any(uint64_t now_ms);

 private:
  struct Kind {
    std::string name;
    std::string latest;
    uint64_t window_begin_ms = 0;
    uint64_t count = 0;  // in this window, not told
    size_t told = 0;     // of the first lines
    LogLevel level = LogLevel::info;
  };

  Kind& find(std::string_view name, uint64_t now_ms);
  Line take(Kind& kind, uint64_t now_ms);

  std::vector<Kind> kinds_;
  uint64_t counted_ = 0;  // over all kinds
};

}  // namespace sluice
