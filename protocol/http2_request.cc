// Which requests RFC 9113 8.3.1 and RFC 8441 4 let be, and how HTTP/1.1 says them.
#include "protocol/http2_request.h"

#include <algorithm>
#include <array>
#include <utility>

#include "protocol/head.h"

namespace sluice {

namespace {

// Of the handshake of HTTP/1.1 (RFC 8441 5): they mean nothing here, and ours stand in their place.
constexpr std::array<std::string_view, 2> handshake_fields = {"sec-websocket-key",
                                                              "sec-websocket-accept"};

bool is_handshake_field(std::string_view name) {
  return std::find(handshake_fields.begin(), handshake_fields.end(), name) !=
         handshake_fields.end();
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

}  // namespace

bool Http2Request::add(std::string_view name, std::string_view value) {
  if (const std::optional<bool> known = judge(name, value)) return *known;
  if (name.front() == ':') return add_pseudo(name.substr(1), value);
  if (name == "te") return equals_ignoring_case(value, "trailers");
  if (is_handshake_field(name)) return true;
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
  keep(name, value);
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
  if (is_too_large()) return true;  // it is refused for that
  if (!is_token(method_)) return false;
  if (method_ != "CONNECT" && !protocol_.empty()) return false;
  if (!authority_.empty() && !is_word(authority_)) return false;
  if (has_host_ && !authority_.empty() && !equals_ignoring_case(host_, authority_)) return false;
  if (method_ == "CONNECT" && protocol_.empty()) {
    return scheme_.empty() && path_.empty() && !authority_.empty();
  }
  if (asks_for_websocket() && (has_length() || authority_.empty())) return false;
  return !scheme_.empty() && path_fits(path_, method_);
}

std::string Http2Request::text(std::string_view key, bool has_body) const {
  std::string text;
  text.reserve(text_bytes());
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
    if (has_body && !has_length()) text.append("transfer-encoding: chunked\r\n");
  }
  text.append(fields());
  if (!cookies_.empty()) add_line(text, "cookie", cookies_);
  end_text(text);
  return text;
}

}  // namespace sluice
