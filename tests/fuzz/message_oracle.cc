// RFC 9112 6.3, step by step.
#include "tests/fuzz/message_oracle.h"

#include <charconv>
#include <cstdint>

namespace sluice::fuzz {

namespace {

std::optional<std::string_view> take_line(std::string_view& bytes) {
  const size_t end = bytes.find("\r\n");
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view found = bytes.substr(0, end);
  bytes.remove_prefix(end + 2);
  return found;
}

std::string small(std::string_view text) {
  std::string lower(text);
  for (char& byte : lower) {
    if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte - 'A' + 'a');
  }
  return lower;
}

// What of a head says where its message ends.
struct Ending {
  int codings = 0;
  int lengths = 0;
  bool chunked = false;
  uint64_t length = 0;
};

bool take_field(std::string_view line, Ending& ending) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string name = small(line.substr(0, colon));
  std::string_view value = line.substr(colon + 1);
  while (value.starts_with(' ')) value.remove_prefix(1);
  if (name == "transfer-encoding") {
    ++ending.codings;
    ending.chunked = small(value) == "chunked";
  }
  if (name == "content-length") {
    ++ending.lengths;
    const auto [end, error] =
        std::from_chars(value.data(), value.data() + value.size(), ending.length);
    return error == std::errc() && end == value.data() + value.size();
  }
  return true;
}

bool bodiless(std::string_view status_line) {
  const std::string_view status = status_line.substr(9, 3);
  return status.starts_with('1') || status == "204" || status == "304";
}

}  // namespace

std::optional<std::string> decode_chunked(std::string_view& bytes) {
  std::string payload;
  for (;;) {
    const auto first = take_line(bytes);
    if (!first) return std::nullopt;
    uint64_t size = 0;
    std::from_chars(first->data(), first->data() + first->size(), size, 16);
    if (size == 0) break;
    if (bytes.size() < 2 || size > bytes.size() - 2) return std::nullopt;
    payload += bytes.substr(0, size);
    if (bytes.substr(size, 2) != "\r\n") return std::nullopt;
    bytes.remove_prefix(size + 2);
  }
  for (;;) {
    const auto trailer = take_line(bytes);
    if (!trailer) return std::nullopt;
    if (trailer->empty()) return payload;
  }
}

std::optional<Message> read_message(std::string_view& bytes, bool is_answer, bool answers_head) {
  const auto first = take_line(bytes);
  if (!first) return std::nullopt;
  Message message{*first, ""};
  Ending ending;
  for (;;) {
    const auto line = take_line(bytes);
    if (!line) return std::nullopt;
    if (line->empty()) break;
    if (!take_field(*line, ending)) return std::nullopt;
  }
  if (is_answer && (answers_head || bodiless(*first))) return message;
  if (ending.codings + ending.lengths > 1) return std::nullopt;
  if (ending.codings > 0) {
    auto payload = ending.chunked ? decode_chunked(bytes) : std::nullopt;
    if (!payload) return std::nullopt;
    message.payload = std::move(*payload);
    return message;
  }
  const bool all = is_answer && ending.lengths == 0;
  const uint64_t length = all ? bytes.size() : ending.length;
  if (length > bytes.size()) return std::nullopt;
  message.payload = bytes.substr(0, length);
  bytes.remove_prefix(length);
  return message;
}

}  // namespace sluice::fuzz
