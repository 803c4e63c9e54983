// Reason phrases are gone in HTTP/2 (RFC 9113 8.3.2): the line has none.
#include "protocol/http2_reply.h"

#include <algorithm>

#include "protocol/handshake.h"

namespace sluice {

bool Http2Reply::add(std::string_view name, std::string_view value) {
  if (const std::optional<bool> known = judge(name, value)) return *known;
  if (name.front() != ':') {
    // RFC 8441 5 does without it, and ours stands in its place.
    if (name != "sec-websocket-accept") keep(name, value);
    return true;
  }
  const bool digits = value.size() == 3 && std::all_of(value.begin(), value.end(),
                                                       [](char c) { return c >= '0' && c <= '9'; });
  if (name != ":status" || status_ != 0 || !digits || value[0] == '0') return false;
  status_ = (value[0] - '0') * 100 + (value[1] - '0') * 10 + (value[2] - '0');
  return true;
}

bool Http2Reply::may_have_body(const Http2Asked& asked) const {
  return !is_interim() && !opens(asked) && !asked.to_head && status_ != 204 && status_ != 304;
}

bool Http2Reply::is_chunked(const Http2Asked& asked, bool ended) const {
  return may_have_body(asked) && !ended && !has_length() && !asked.to_http10;
}

std::string Http2Reply::text(const Http2Asked& asked, bool ended) const {
  std::string text;
  text.reserve(text_bytes());
  const bool upgrades = opens(asked);
  text.append("HTTP/1.1 ").append(std::to_string(upgrades ? 101 : status_)).append(" \r\n");
  if (upgrades) {
    text.append("connection: Upgrade\r\nupgrade: websocket\r\n");
    add_line(text, "sec-websocket-accept", accept_for_key(asked.key));
  } else if (is_chunked(asked, ended)) {
    text.append("transfer-encoding: chunked\r\n");
  } else if (may_have_body(asked) && ended && !has_length()) {
    text.append("content-length: 0\r\n");
  }
  text.append(fields());
  end_text(text);
  return text;
}

}  // namespace sluice
