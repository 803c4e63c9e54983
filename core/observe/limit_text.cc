// One wording for all limits.
#include "core/observe/limit_text.h"

#include <utility>

namespace sluice {

std::string time_setting_text(std::string_view directive, uint64_t milliseconds) {
  static constexpr std::pair<uint64_t, const char*> units[] = {
      {3'600'000, "h"}, {60'000, "m"}, {1000, "s"}, {1, "ms"}};
  std::string text(directive);
  for (const auto& [factor, name] : units) {
    if (milliseconds % factor != 0) continue;
    return text.append(" ").append(std::to_string(milliseconds / factor)).append(name);
  }
  return text;
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
