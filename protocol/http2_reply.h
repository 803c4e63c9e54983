// Http2Reply: the head of an answer that came over HTTP/2, told as HTTP/1.1 (RFC 9113 8.3.2), so
// that whatever judges answers judges one text. A WebSocket's 200 is told as the 101 that its asker
// awaits (RFC 8441 5).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "protocol/http2_head.h"

namespace sluice {

// The request that it answers.
struct Http2Asked {
  bool websocket = false;
  bool to_head = false;
  bool to_http10 = false;  // who reads the answer knows no chunked coding
  std::string key = {};    // Sec-WebSocket-Key, as it was written
};

class Http2Reply : public Http2Head {
 public:
  explicit Http2Reply(size_t most_bytes) : Http2Head(most_bytes) {}

  // As Http2Request's.
  [[nodiscard]] bool add(std::string_view name, std::string_view value);
  [[nodiscard]] bool whole() const { return status_ != 0 && status_ != 101; }

  int status() const { return status_; }
  bool is_interim() const { return status_ < 200; }
  // What follows is the WebSocket's.
  bool opens(const Http2Asked& asked) const {
    return asked.websocket && status_ >= 200 && status_ < 300;
  }
  // Its body is told in chunks, for want of another end. `ended`: no DATA follows.
  bool is_chunked(const Http2Asked& asked, bool ended) const;

  // The HTTP/1.1 head, with the empty line.
  std::string text(const Http2Asked& asked, bool ended) const;

 private:
  bool may_have_body(const Http2Asked& asked) const;

  int status_ = 0;
};

}  // namespace sluice
