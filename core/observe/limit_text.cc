// One wording for all limits.
#include "core/observe/limit_text.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace sluice {

std::string time_text(uint64_t milliseconds) {
  static constexpr std::pair<uint64_t, const char*> units[] = {
      {3'600'000, "h"}, {60'000, "m"}, {1000, "s"}, {1, "ms"}};
  const auto* const unit =
      std::find_if(std::begin(units), std::end(units),
                   [milliseconds](const auto& each) { return milliseconds % each.first == 0; });
  return std::to_string(milliseconds / unit->first) + unit->second;
}

std::string rough_time_text(uint64_t milliseconds) {
  return time_text(milliseconds < 1000 ? milliseconds : milliseconds / 1000 * 1000);
}

std::string time_setting_text(std::string_view directive, uint64_t milliseconds) {
  return std::string(directive) + " " + time_text(milliseconds);
}

std::string limit_text(std::string_view directive, std::string_view limit, std::string_view who,
                       uint64_t seen, std::string_view what) {
  std::string text(directive);
  text.append(" ").append(limit).append(", ").append(who).append(" has ");
  return text.append(grouped_text(seen)).append(" ").append(what).append(" so far");
}

std::string head_limit_text(const Http1Parser& parser, std::string_view size_directive,
                            uint64_t most_bytes, uint64_t most_fields) {
  const std::string fields = std::to_string(most_fields);
  switch (parser.passed()) {
    case Http1Parser::Passed::none:
      break;
    case Http1Parser::Passed::head_bytes:
      return limit_text(size_directive, size_text(most_bytes), "the head", parser.seen(), "bytes");
    case Http1Parser::Passed::fields:
      return limit_text("max_header_fields", fields, "the head", parser.seen(), "fields");
    case Http1Parser::Passed::connection_options:
      return limit_text("max_header_fields", fields, "Connection", parser.seen(), "options");
    case Http1Parser::Passed::body_framing:
      return limit_text(size_directive, size_text(most_bytes), "the body's framing", parser.seen(),
                        "bytes");
  }
  return "";
}

}  // namespace sluice
