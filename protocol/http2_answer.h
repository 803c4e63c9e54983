// Http2Answer: reads an answer that is written as HTTP/1.1 and tells what of it travels over HTTP/2
// (RFC 9113 8.1): heads as fields, the body without its transfer coding, trailers.
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

namespace sluice {

// A field of HTTP/2: the name in lower case.
struct Http2Field {
  std::string name;
  std::string value;
};

class Http2Answer {
 public:
  enum class Kind : uint8_t {
    more,     // all was taken, and something is missing
    interim,  // fields() are those of an interim answer (1xx); another head follows
    head,     // fields() are the answer's
    tunnel,   // the same of a 101: what follows are the WebSocket's bytes, none of this reader's
    payload,  // `payload` is of the body
    end,      // the answer was whole before these bytes, or they hold its end
    bad,      // it is no answer: ours or a peer's fault; final
  };

  // The first `consumed` bytes were taken; of `payload` the first `consumed` ones.
  struct Step {
    Kind kind = Kind::more;
    size_t consumed = 0;
  };

  // `websocket`: a 101 is awaited; `to_head`: the request was a HEAD.
  Http2Answer(bool websocket, bool to_head);

  // Reads on. With `payload`, the bytes from the beginning are of the body, and are read once
  // took() says so: who gets them may take fewer.
  Step read(std::span<const uint8_t> bytes);
  void took(size_t payload_bytes);

  // After `interim`, `head`, `tunnel`: ":status" and the fields of the head that travel on; after
  // `end` the trailers.
  const std::vector<Http2Field>& fields() const { return fields_; }
  // After `head`: nothing follows. After a payload was taken: it was the last of it.
  bool whole() const { return scanner_.has_value() && scanner_->complete(); }
  // After `payload`: how much of it is to come, where that is the end of the body; else 0.
  uint64_t payload_left() const { return has_length_ ? scanner_->unseen_left() : 0; }
  // The end of the bytes is the end of the body.
  bool may_end() const { return scanner_.has_value() && scanner_->may_end(); }

 private:
  Step read_head(std::span<const uint8_t> bytes);
  Step read_body(std::span<const uint8_t> bytes);
  void tell_head(const AnswerHead& head, bool upgraded);
  void tell_trailers();

  std::unique_ptr<Http1Parser> parser_;  // until the head stands
  std::optional<BodyScanner> scanner_;   // from then on
  std::string coding_;  // of the chunked coding since the latest payload: trailers at its end
  std::vector<Http2Field> fields_;
  bool websocket_;
  bool chunked_ = false;
  bool has_length_ = false;
  bool over_ = false;
};

}  // namespace sluice
