// Http2Message: reads a request or an answer that is written as HTTP/1.1 and tells what of it
// travels over HTTP/2 (RFC 9113 8.1): heads as fields, the body without its transfer coding,
// trailers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "protocol/body.h"
#include "protocol/http1.h"
#include "protocol/http2_reply.h"

namespace sluice {

// A field of HTTP/2: the name in lower case.
struct Http2Field {
  std::string name;
  std::string value;
};

class Http2Message {
 public:
  enum class Kind : uint8_t {
    more,     // all was taken, and something is missing
    interim,  // fields() are those of an interim answer (1xx); another head follows
    head,     // fields() are the request's, or the answer's
    tunnel,   // the same of an upgrade, or of its 101: what follows is none of this reader's
    payload,  // `payload` is of the body
    end,      // the message was whole before these bytes, or they hold its end
    bad,      // it is no such message: ours or its sender's fault; final
  };

  // The first `consumed` bytes were taken; of `payload` the first `consumed` ones.
  struct Step {
    Kind kind = Kind::more;
    size_t consumed = 0;
  };

  // `websocket`: a 101 is awaited; `to_head`: the request was a HEAD.
  static Http2Message answer(bool websocket, bool to_head);
  // `secure`: it goes through TLS, which its scheme tells.
  static Http2Message request(bool secure);

  // Reads on. With `payload`, the bytes from the beginning are of the body, and are read once
  // took() says so: who gets them may take fewer.
  Step read(std::span<const uint8_t> bytes);
  void took(size_t payload_bytes);

  // After `interim`, `head`, `tunnel`: pseudo-header fields, and those of the head that travel on;
  // after `end` the trailers.
  const std::vector<Http2Field>& fields() const { return fields_; }
  // After `head`: nothing follows. After a payload was taken: it was the last of it.
  bool whole() const { return scanner_.has_value() && scanner_->complete(); }
  // After `payload`: how much of it is to come, where that is the end of the body; else 0.
  uint64_t payload_left() const { return has_length_ ? scanner_->unseen_left() : 0; }
  bool is_request() const { return role_ == Http1Parser::Role::request; }
  // After a request's head: what its answer depends on.
  const Http2Asked& asked() const { return asked_; }
  // The end of the bytes is the end of the body.
  bool may_end() const { return scanner_.has_value() && scanner_->may_end(); }

 private:
  explicit Http2Message(Http1Parser::Role role);
  Step read_head(std::span<const uint8_t> bytes);
  Step take_request(size_t consumed);
  Step take_answer(size_t consumed);
  Step read_body(std::span<const uint8_t> bytes);
  void begin_body(BodyFraming framing, uint64_t length);
  void tell(const Head& head);
  void tell_trailers();

  std::unique_ptr<Http1Parser> parser_;  // until the head stands
  std::optional<BodyScanner> scanner_;   // from then on
  std::string coding_;  // of the chunked coding since the latest payload: trailers at its end
  std::vector<Http2Field> fields_;
  Http2Asked asked_;
  Http1Parser::Role role_;
  bool secure_ = false;
  bool chunked_ = false;
  bool has_length_ = false;
  bool over_ = false;
};

}  // namespace sluice
