// As bytes, each is "NAME SIZE\n" and SIZE bytes behind it.
#include "core/session/challenges.h"

#include <algorithm>
#include <charconv>

namespace sluice {

namespace {

constexpr std::string_view folder = "/.well-known/acme-challenge/";
constexpr size_t most_name_bytes = 128;

bool token_byte(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= '0' && byte <= '9') || byte == '_' || byte == '-';
}

}  // namespace

bool is_challenge_name(std::string_view name) {
  return !name.empty() && name.size() <= most_name_bytes &&
         std::all_of(name.begin(), name.end(), token_byte);
}

std::optional<std::string_view> asked_challenge(const RequestHead& head) {
  if (head.method != "GET" && head.method != "HEAD") return std::nullopt;
  const std::string_view path = head.target.substr(0, head.target.find('?'));
  if (!path.starts_with(folder)) return std::nullopt;
  return path.substr(folder.size());
}

std::string bytes_of(const Challenges& challenges) {
  std::string bytes;
  for (const auto& [name, text] : challenges) {
    bytes.append(name).append(" ").append(std::to_string(text.size())).append("\n").append(text);
  }
  return bytes;
}

std::optional<Challenges> challenges_from(std::string_view bytes) {
  std::optional<Challenges> all(std::in_place);
  while (!bytes.empty()) {
    const size_t blank = bytes.find(' ');
    const size_t line = bytes.find('\n');
    if (line == std::string_view::npos || blank > line) return std::nullopt;
    const std::string_view name = bytes.substr(0, blank);
    size_t size = 0;
    const char* const end = bytes.data() + line;
    const auto [rest, error] = std::from_chars(bytes.data() + blank + 1, end, size);
    if (error != std::errc() || rest != end || size > most_challenge_bytes) return std::nullopt;
    bytes.remove_prefix(line + 1);
    if (bytes.size() < size || !is_challenge_name(name)) return std::nullopt;
    if (!all->emplace(name, bytes.substr(0, size)).second) return std::nullopt;
    if (all->size() > most_challenges) return std::nullopt;
    bytes.remove_prefix(size);
  }
  return all;
}

}  // namespace sluice
