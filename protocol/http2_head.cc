// What a line of HTTP/1.1 could not say is refused here, whatever the codec below let pass.
#include "protocol/http2_head.h"

#include <algorithm>
#include <array>

#include "protocol/head.h"

namespace sluice {

namespace {

// RFC 9113 8.2.2: they belong to one connection of HTTP/1.1.
constexpr std::array<std::string_view, 5> connection_fields = {
    "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"};

// A head that is larger than this is not read to its end, and gets no answer.
constexpr size_t most_times_too_large = 4;

bool is_connection_field(std::string_view name) {
  return std::find(connection_fields.begin(), connection_fields.end(), name) !=
         connection_fields.end();
}

bool has_upper_case(std::string_view name) {
  return std::any_of(name.begin(), name.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

}  // namespace

std::optional<bool> Http2Head::judge(std::string_view name, std::string_view value) {
  // What is too large is not even looked at: a byte on the wire may stand for thousands here
  // (HPACK).
  const bool was_full = is_too_large();
  bytes_ += name.size() + value.size() + 4;
  if (was_full) return bytes_ / most_times_too_large <= most_bytes_;
  if (name.empty() || !header_value_valid(value) || without_blanks(value) != value) return false;
  if (name.front() == ':') {
    if (regular_) return false;
    return std::nullopt;
  }
  regular_ = true;
  if (!is_token(name) || has_upper_case(name) || is_connection_field(name)) return false;
  return std::nullopt;
}

void Http2Head::keep(std::string_view name, std::string_view value) {
  if (name == "content-length") has_length_ = true;
  add_line(fields_, name, value);
}

void Http2Head::add_line(std::string& text, std::string_view name, std::string_view value) {
  text.append(name).append(": ").append(value).append("\r\n");
}

void Http2Head::end_text(std::string& text) const {
  if (is_too_large()) add_line(text, "x-too-large", std::string(most_bytes_, '-'));
  text.append("\r\n");
}

size_t Http2Head::text_bytes() const {
  return std::min(bytes_, 2 * most_bytes_) + 256;
}

}  // namespace sluice
