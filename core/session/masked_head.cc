// Masked heads: what is not known to be harmless is masked.
#include "core/session/masked_head.h"

#include <algorithm>
#include <array>

#include "protocol/http1.h"

namespace sluice {

namespace {

constexpr std::string_view mask = "***";

constexpr std::array<std::string_view, 5> shown_whole = {
    "Upgrade", "Connection", "User-Agent", "Sec-WebSocket-Version", "Sec-WebSocket-Extensions"};

bool is(std::string_view name, std::string_view field) {
  return equals_ignoring_case(name, field);
}

std::string shown_value(const HeaderField& field) {
  if (std::any_of(shown_whole.begin(), shown_whole.end(),
                  [&field](std::string_view each) { return is(field.name, each); })) {
    return std::string(field.value);
  }
  // Either may hold userinfo where somebody writes what they should not.
  if (is(field.name, "Host") || is(field.name, "Origin")) return masked_target(field.value);
  return std::string(mask);
}

void add_fields(std::vector<std::string>& lines, const Head& head) {
  for (const HeaderField& field : head.fields) {
    lines.push_back(std::string(field.name) + ": " + shown_value(field));
  }
}

std::string version_text(const Head& head) {
  return "HTTP/" + std::to_string(head.major_version) + "." + std::to_string(head.minor_version);
}

}  // namespace

std::string masked_target(std::string_view target) {
  const size_t end = std::min(target.find_first_of("?#"), target.size());
  std::string shown(target.substr(0, end));
  if (!shown.starts_with('/')) {
    // An absolute form, or an authority alone.
    const size_t scheme = shown.find("://");
    const size_t authority = scheme == std::string::npos ? 0 : scheme + 3;
    const size_t userinfo = shown.substr(0, shown.find('/', authority)).rfind('@');
    if (userinfo != std::string::npos && userinfo >= authority) {
      shown.erase(authority, userinfo + 1 - authority);
    }
  }
  if (end < target.size()) shown.append(1, target[end]).append(mask);
  return shown;
}

std::vector<std::string> masked_lines(const RequestHead& head) {
  std::vector<std::string> lines;
  lines.push_back(std::string(head.method) + " " + masked_target(head.target) + " " +
                  version_text(head));
  add_fields(lines, head);
  return lines;
}

std::vector<std::string> masked_lines(const AnswerHead& head) {
  std::vector<std::string> lines = {version_text(head) + " " + std::to_string(head.status)};
  add_fields(lines, head);
  return lines;
}

std::vector<std::string> masked_request_lines(std::string_view http1) {
  Http1Parser::Limits limits;
  limits.head_bytes = http1.size() + 1;
  Http1Parser parser(Http1Parser::Role::request, limits);
  parser.feed_head(http1);
  return masked_lines(parser.request_so_far());
}

}  // namespace sluice
