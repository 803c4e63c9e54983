// Http2Request: the head of a request that came over HTTP/2, told as HTTP/1.1 (RFC 9113 8, RFC 8441
// 4), so that whatever judges requests judges one text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "protocol/http2_head.h"

namespace sluice {

class Http2Request : public Http2Head {
 public:
  explicit Http2Request(size_t most_bytes) : Http2Head(most_bytes) {}

  // One field, pseudo-header fields first, as they come. False where the request is malformed
  // (RFC 9113 8.1.1): its stream is to be reset.
  [[nodiscard]] bool add(std::string_view name, std::string_view value);
  // Once all were added: whether what must be there is.
  [[nodiscard]] bool whole() const;

  // It asks for a WebSocket on its stream (RFC 8441 5).
  bool asks_for_websocket() const { return method_ == "CONNECT" && protocol_ == "websocket"; }
  bool is_head() const { return method_ == "HEAD"; }

  // The HTTP/1.1 head, with the empty line. `key` is what stands for the Sec-WebSocket-Key that
  // RFC 8441 does without; `has_body`: DATA follows, in chunks where no Content-Length stands.
  std::string text(std::string_view key, bool has_body) const;

 private:
  bool add_pseudo(std::string_view name, std::string_view value);

  std::string method_;
  std::string scheme_;
  std::string authority_;
  std::string path_;
  std::string protocol_;
  std::string host_;
  std::string cookies_;  // all in one field (RFC 9113 8.2.3)
  bool has_host_ = false;
};

}  // namespace sluice
