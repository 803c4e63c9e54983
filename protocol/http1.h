// HTTP/1.1 as a wire format. Http1Parser reads one message's head, fed incrementally over llhttp
// under byte and field limits, and a response's body, decoded; write_http1 writes heads. Both know
// syntax; what a handshake must hold is handshake.h's.
#pragma once

#include <llhttp.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/body.h"
#include "protocol/head.h"

namespace sluice {

class Http1Parser {
 public:
  enum class Role : uint8_t { request, response };

  struct Limits {
    // The whole head; of answers with the interim ones before it. In an answer's body also what is
    // no payload in a row: a chunk's extensions, the trailers.
    size_t head_bytes = 16 * 1024;
    size_t fields = 0;  // and elements of Connection; 0: as many as the head holds
  };

  // Which of them was passed.
  enum class Passed : uint8_t { none, head_bytes, fields, connection_options, body_framing };

  enum class Outcome : uint8_t { more, complete, failed };

  struct Fed {
    Outcome outcome = Outcome::more;
    size_t consumed = 0;  // bytes that belong to this head (or body); the rest was not looked at
  };

  using Framing = BodyFraming;  // of a response's body

  Http1Parser(Role role, const Limits& limits);
  Http1Parser(const Http1Parser&) = delete;
  Http1Parser& operator=(const Http1Parser&) = delete;

  // Feeds bytes of the head. `complete`: request() or answer() stands, by the role, and bytes
  // behind the head are left alone (a body, early frames, frames behind a 101). `failed`: status()
  // and reason() say why; every further call fails too. A malformed byte fails at once and a wrong
  // line with its end, not when the head is whole; how the bytes are cut makes no difference. Of a
  // request's lines, the first must hold a target and Host a host (RFC 9112 3.2).
  Fed feed_head(std::string_view bytes);
  // Views into this parser: good until the next head, or its end.
  const RequestHead& request() const { return request_; }
  const AnswerHead& answer() const { return answer_; }
  // For the log, of a request that is not complete or failed: the words of its first line, and the
  // fields that came whole.
  RequestHead request_so_far() const;

  // Responses: forget this head and await another one on the same connection (after a 1xx). What
  // this one took of Limits::head_bytes stays taken.
  void next_head();

  // Responses: these heads answer a HEAD, so that none of them has a body, whatever it says of one
  // (RFC 9110 9.3.2). To be called before the first byte.
  void answers_head_request() { answers_head_request_ = true; }

  // Responses, once the head is complete.
  Framing framing() const { return framing_; }
  uint64_t content_length() const { return content_length_; }
  // Appends the body's decoded bytes to `body`, transfer coding removed. `complete`: its end.
  Fed feed_body(std::string_view bytes, std::string& body);
  // The peer ended its stream: true where the body may end here (until_close, or already complete).
  bool finish_body();

  // What a client is told about a failed request: 400, 405, 414, 431, 501, 505. For a response the
  // number means nothing, the answer is 502.
  int status() const { return status_; }
  // Static text for the log: "malformed field", "too many fields", ...
  const char* reason() const { return reason_; }
  // The limit that a failed head is over, and for the log how much of what it limits has come: at
  // least; this depends on how the bytes are cut.
  Passed passed() const { return passed_; }
  size_t seen() const { return seen_; }

 private:
  friend struct Http1Callbacks;  // llhttp's C callbacks, in http1.cc

  struct Piece {  // offsets into text_
    uint32_t begin = 0;
    uint32_t end = 0;
  };

  void fail(int status, const char* reason);
  void fail_over(Passed limit, size_t seen);
  void fail_as_llhttp(llhttp_errno_t error);
  size_t stopped_at() const;  // in text_, after llhttp paused or failed
  std::string_view view(const Piece& piece) const;
  void take(std::string_view piece);
  void check_line();
  void check_start_line();
  void check_target(std::string_view method, std::string_view target);
  void check_field();
  void finish_head();
  std::vector<HeaderField> fields(size_t count) const;
  void find_framing();
  bool count_body_framing(const char* end);

  llhttp_t parser_;
  Role role_;
  Limits limits_;
  RequestHead request_;  // one of the two is in use, by the role
  AnswerHead answer_;
  std::string text_;                   // the head's bytes as they came
  std::vector<Piece> pieces_;          // name, value, name, value, ...
  size_t whole_fields_ = 0;            // of them
  Piece start_pieces_[3];              // method, target or reason, version
  std::string* body_ = nullptr;        // the caller's, during feed_body()
  const char* payload_end_ = nullptr;  // in the caller's bytes, or their begin; during feed_body()
  size_t framing_bytes_ = 0;           // of the body since its latest payload
  uint64_t content_length_ = 0;
  size_t earlier_bytes_ = 0;       // of the interim answers before this head
  size_t connection_options_ = 0;  // elements of Connection so far
  size_t seen_ = 0;
  Passed passed_ = Passed::none;
  Framing framing_ = Framing::none;
  int status_ = 0;
  const char* reason_ = "";
  bool start_line_read_ = false;
  bool host_read_ = false;
  bool head_complete_ = false;
  bool body_complete_ = false;
  bool in_field_name_ = false;
  bool answers_head_request_ = false;
};

// The head's bytes up to and with the empty line: answers as HTTP/1.1, requests as the version that
// they have. What the head holds must be fit to travel: tokens for names, header_value_valid()
// values.
std::string write_http1(const RequestHead& head);
std::string write_http1(const AnswerHead& head);

}  // namespace sluice
