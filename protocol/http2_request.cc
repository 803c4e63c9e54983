// What a line of HTTP/1.1 could not say is refused here, whatever the codec below let pass.
#include "protocol/http2_request.h"

#include <algorithm>
#include <array>
#include <utility>

#include "protocol/head.h"

namespace sluice {

namespace {

// RFC 9113 8.2.2: they belong to one connection of HTTP/1.1.
constexpr std::array<std::string_view, 5> connection_fields = {
    "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"};

// Of the handshake of HTTP/1.1 (RFC 8441 5): they mean nothing here, and ours stand in their place.
constexpr std::array<std::string_view, 2> handshake_fields = {"sec-websocket-key",
                                                              "sec-websocket-accept"};

// A head that is larger than this is not read to its end, and gets no answer.
constexpr size_t most_times_too_large = 4;

template <size_t N>
bool is_one_of(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool has_upper_case(std::string_view name) {
  return std::any_of(name.begin(), name.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

// Words of a request's first line: neither a blank nor a control byte.
bool is_word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte != 0x7f;
  });
}

bool path_fits(std::string_view path, std::string_view method) {
  return is_word(path) && (path.front() == '/' || (path == "*" && method == "OPTIONS"));
}

void add_line(std::string& text, std::string_view name, std::string_view value) {
  text.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

bool Http2Request::add(std::string_view name, std::string_view value) {
  // What is too large is not even looked at: a byte on the wire may stand for thousands here
  // (HPACK).
  const bool was_full = full();
  bytes_ += name.size() + value.size() + 4;
  if (was_full) return bytes_ / most_times_too_large <= most_bytes_;
  if (name.empty() || !header_value_valid(value) || without_blanks(value) != value) return false;
  if (name.front() == ':') return !regular_ && add_pseudo(name.substr(1), value);
  regular_ = true;
  if (!is_token(name) || has_upper_case(name) || is_one_of(connection_fields, name)) return false;
  if (name == "te") return equals_ignoring_case(value, "trailers");
  if (is_one_of(handshake_fields, name)) return true;
  if (name == "host") {
    if (std::exchange(has_host_, true)) return false;
    host_ = value;
    return true;
  }
  if (name == "cookie") {
    if (!cookies_.empty()) cookies_ += "; ";
    cookies_ += value;
    return true;
  }
  if (name == "content-length") has_length_ = true;
  add_line(fields_, name, value);
  return true;
}

bool Http2Request::add_pseudo(std::string_view name, std::string_view value) {
  std::string* place = nullptr;
  if (name == "method") place = &method_;
  if (name == "scheme") place = &scheme_;
  if (name == "authority") place = &authority_;
  if (name == "path") place = &path_;
  if (name == "protocol") place = &protocol_;
  if (place == nullptr || !place->empty() || value.empty()) return false;
  *place = value;
  return true;
}

// A CONNECT of RFC 9113 8.5 has neither scheme nor path, that of RFC 8441 4 has both.
bool Http2Request::whole() const {
  if (full()) return true;  // it is refused for that
  if (!is_token(method_)) return false;
  if (method_ != "CONNECT" && !protocol_.empty()) return false;
  if (!authority_.empty() && !is_word(authority_)) return false;
  if (has_host_ && !authority_.empty() && !equals_ignoring_case(host_, authority_)) return false;
  if (method_ == "CONNECT" && protocol_.empty()) {
    return scheme_.empty() && path_.empty() && !authority_.empty();
  }
  if (asks_for_websocket() && (has_length_ || authority_.empty())) return false;
  return !scheme_.empty() && path_fits(path_, method_);
}

std::string Http2Request::text(std::string_view key, bool has_body) const {
  std::string text;
  text.reserve(std::min(bytes_, 2 * most_bytes_) + 256);
  const bool websocket = asks_for_websocket();
  const bool tunnel = method_ == "CONNECT" && !websocket;
  text.append(websocket ? "GET" : method_).append(" ");
  text.append(tunnel ? authority_ : path_.empty() ? "/" : path_).append(" HTTP/1.1\r\n");
  if (!authority_.empty() || has_host_) {
    add_line(text, "host", authority_.empty() ? host_ : authority_);
  }
  if (websocket) {
    text.append("connection: Upgrade\r\nupgrade: websocket\r\n");
    add_line(text, "sec-websocket-key", key);
  } else {
    text.append("connection: close\r\n");
    if (has_body && !has_length_) text.append("transfer-encoding: chunked\r\n");
  }
  text.append(fields_);
  if (!cookies_.empty()) add_line(text, "cookie", cookies_);
  // Fields are missing: nobody may take the rest for all.
  if (full()) add_line(text, "x-too-large", std::string(most_bytes_, '-'));
  return text.append("\r\n");
}

}  // namespace sluice
