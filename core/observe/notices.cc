// Time is looked at only when something comes or is asked for: no timer runs.
#include "core/observe/notices.h"

#include <algorithm>

namespace sluice {

bool Notices::admit(LogLevel level, std::string_view kind, std::string_view text, uint64_t now_ms) {
  Kind& found = find(kind, now_ms);
  if (found.count == 0 && now_ms - found.window_begin_ms >= window_ms) {
    found.window_begin_ms = now_ms;
    found.told = 0;
  }
  if (found.told < first_lines) {
    ++found.told;
    return true;
  }
  found.latest.assign(text.substr(0, most_text_bytes));
  found.level = level;
  ++found.count;
  ++counted_;
  return false;
}

std::optional<Notices::Line> Notices::take_due(uint64_t now_ms) {
  for (Kind& kind : kinds_) {
    if (kind.count > 0 && now_ms - kind.window_begin_ms >= window_ms) return take(kind, now_ms);
  }
  return std::nullopt;
}

std::optional<Notices::Line> Notices::take_any(uint64_t now_ms) {
  for (Kind& kind : kinds_) {
    if (kind.count > 0) return take(kind, now_ms);
  }
  return std::nullopt;
}

// A kind that has nothing to tell and is over gives its place to a new one.
Notices::Kind& Notices::find(std::string_view name, uint64_t now_ms) {
  const auto known = std::find_if(kinds_.begin(), kinds_.end(),
                                  [name](const Kind& kind) { return kind.name == name; });
  if (known != kinds_.end()) return *known;
  const auto over = std::find_if(kinds_.begin(), kinds_.end(), [now_ms](const Kind& kind) {
    return kind.count == 0 && now_ms - kind.window_begin_ms >= window_ms;
  });
  if (over == kinds_.end() && kinds_.size() == most_kinds) return kinds_.back();
  Kind fresh;
  fresh.name = name;
  fresh.window_begin_ms = now_ms;
  if (over == kinds_.end()) return kinds_.emplace_back(std::move(fresh));
  *over = std::move(fresh);
  return *over;
}

Notices::Line Notices::take(Kind& kind, uint64_t now_ms) {
  const uint64_t seconds = (now_ms - kind.window_begin_ms + 500) / 1000;
  Line line{kind.level, kind.latest + " (" + std::to_string(kind.count) + " like this in " +
                            std::to_string(seconds) + " s)"};
  counted_ -= kind.count;
  kind.count = 0;
  kind.window_begin_ms = now_ms;
  return line;
}

}  // namespace sluice
